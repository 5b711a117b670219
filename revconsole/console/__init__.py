"""The terminal console: Textual screens over the lab. Torch-free.

Read `app.py` first, then `reader.py`: one thread reads runs and posts one immutable snapshot per change; the
screen on top shows it. Screens hold their own workflows, widgets know nothing of the lab.
"""
