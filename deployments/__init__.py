"""How it is reached: Serve deployments, the composition root (`app.py`) and the `konstruct` command (`cli.py`)."""
