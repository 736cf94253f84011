"""The page over runs, live and replayed, and the HTTP service; needs the extra `web`.

recgpt web --port 8000
"""
