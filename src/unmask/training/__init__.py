"""The one training engine: recipes in, a checkpoint chosen on validation data out.

`engine.py` is the loop; `optim.py` what it steps with; `state.py` what survives a kill; `log.py`
what is written and shown; `run.py` turns a recipe into a run. This is the only code that trains.
"""
