"""Moving over: the configuration of tools that were abandoned, or stand beside, as our documents.

One file is one tool: it says which objects it reads and what it makes of one of them. Nothing is
lost in silence: an object keeps account of what was read of it (`_source`), and what no rule asked
for is listed as not carried over. Values that may be secret are never repeated, in no comment.

Pure: objects in, documents and comments out. Where the objects come from is `ghapp.moving`'s
matter; that the result is what `checkrail validate` accepts is asked of whoever knows (`Check`).
"""
