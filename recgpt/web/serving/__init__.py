"""A catalogue over HTTP: recommendations, explanations, new interactions (docs/serving.md).

    recgpt serve --items items.csv --interactions past.csv

    from recgpt.web.serving import create_service, serve

    serve(create_service("items.csv", "past.csv"), port=8000)       # until Ctrl-C

`service` answers requests with outside ids, `waiting` batches requests that wait together for one thread, `event_log`
keeps observed events, `app` is the HTTP application, `server` the process.
"""

from recgpt.web.serving.server import serve
from recgpt.web.serving.service import Service, create_service

__all__ = ["Service", "create_service", "serve"]
