"""Records: what can happen, as immutable facts.

1. A record is written in the transaction of the state change that it describes, and never changed.
2. It says when (`at`, microseconds), in which run, who answered for it at that moment (`responsible`) and how authority
   came to them (`chain`: ids only, shortest way first).
3. It holds ids, names of the declaration and commitments; never payloads, nor the words of a decision. The reason of a
   stop, a handover or an intervention is part of the fact, and says nothing personal. Errors of steps are one line.
4. `v` is the version of its schema. A field may be added with a default; anything else is a new version.
"""
