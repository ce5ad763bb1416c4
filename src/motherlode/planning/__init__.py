"""How long, how large and how dear a run will be, before it is begun.

* `invented`: text that means nothing, to measure on.
* `rates`: what a machine was measured to do, and the file that keeps it.
* `calibrate`: the measuring.
* `options`: what is planned, and on what.
* `figures`: numbers that say whether they were measured, extrapolated or assumed.
* `processors`: stages that CPU cores do.
* `accelerators`: stages that GPUs do.
* `plan`: all of it together, with the bottleneck.
"""
