"""One file of rows per subject; the order of LEDGER in run.py is the order of the printed ledger."""
