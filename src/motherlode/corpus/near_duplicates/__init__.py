"""Near-duplicates over all shards of a build: MinHash signatures, candidate pairs, verified, joined to clusters.

* `options`: what can be set, and how bands and rows follow from the threshold.
* `minhash`: signatures and band keys of a batch of texts.
* `mark`: the step that writes band keys beside the staging shards.
* `bands`: documents that share a band key, as candidate pairs.
* `verify`: the similarity of candidate pairs, exactly.
* `components`: pairs to clusters, and who stays of each.
* `decide`: the stages in order.
* `report`: cluster sizes and examples, as `corpus stats` shows them.
"""
