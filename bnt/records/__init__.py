"""Records: an answer that can be kept, read by a person, and computed again.

A record is one file, JSON or a page of HTML that holds the same JSON: the model with its hash, evidence, question,
method, status, what each piece of evidence did, how much each entry of each table matters, versions; ``replay.py``
computes all of it again.

Equation: d P(q | e) / d ln t = P(q | e) (P(entry | q, e) - P(entry | e)), t one entry of a table.
Read first: ``record.py``, ``record_of``.
May import: everything but figures, widgets and the command.
"""
