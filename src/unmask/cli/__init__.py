"""The command line: one file per verb. Heavy imports are local to the verb that needs them."""
