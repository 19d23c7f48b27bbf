"""Documents: what people declare, in files or in the cluster, and what is derived from it.

reading   text -> plain values that know where they stand
shape     plain values -> mistakes against a Struct; what its fields mean says `meanings`
kinds     the table of kinds, with `rules` beside the shape; `validations` says them in CEL
config    files and objects -> values, or all mistakes at once
compiled  values -> values at work: references looked up, expressions and `texts` compiled
crds      kinds -> CustomResourceDefinitions, with the `status` that we write
"""
