"""The terminal console: Textual screens over the lab. Torch-free.

Read `app.py` first, then `reader.py`: one thread reads runs and posts one immutable snapshot per change, which the
screen in front shows. Screens own their workflows; widgets know nothing of the lab.
"""
