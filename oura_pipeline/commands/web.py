"""`oura-pipeline web`: the site that people see, until it is ended.

What surprises: uvicorn repeats the signal that ended it. With Ctrl-C's way of ending, databases are
closed before the process is gone.
"""

from __future__ import annotations

import logging
import signal

from oura_pipeline.web.server import serve

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def web(host: str, port: int) -> None:
    """Run until Ctrl-C or a request to end.

    Raises:
        OSError: the address is not to be had.
        SettingsError: a setting cannot be used.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    logging.basicConfig(level=logging.INFO, format=FORMAT)
    for noisy in ("alembic", "httpx"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    try:
        serve(host, port)
    except KeyboardInterrupt:
        logging.getLogger(__name__).info("ended")
