"""The ground floor: Parquet shards, steps over them, fingerprints, manifests and engines.

* `location`: paths of this machine and objects of a store, used alike; `objects`: the store itself.
* `store`: the few ways in which bytes reach either, all atomic.
* `fingerprint`: what makes two pieces of work the same.
* `lock`, `journal`: one writer a folder, and its log, where there is no disk.
* `manifest`: the record of what an output folder holds, append-only while it grows.
* `dataset`: a folder of shards, and side columns that stand in the same rows.
* `step`: pure functions over Arrow record batches, and the task that maps one over a shard.
* `stage`: one run over a folder: what is left, what is committed, what failed.
* `engine`: who runs the tasks; `local` uses processes, `ray_engine` a cluster.
"""
