"""pyzmq's authenticators, each where it wants to run."""

import asyncio
import threading
import warnings

from zmq.auth.asyncio import AsyncioAuthenticator
from zmq.auth.thread import ThreadAuthenticator

try:
    import tornado.ioloop

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from zmq.auth.ioloop import IOLoopAuthenticator
except ImportError:
    tornado = None

KINDS = ("thread", "asyncio") + (("ioloop",) if tornado else ())


class InLoop:
    """An authenticator that lives in an event loop, which gets a thread of its own."""

    def __init__(self, make, run, stop):
        self._stop_loop = stop
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(make, run), daemon=True)
        self._thread.start()
        assert self._ready.wait(10)

    def _run(self, make, run):
        asyncio.set_event_loop(asyncio.new_event_loop())
        loop = asyncio.get_event_loop()
        self._loop = loop

        async def begin():
            self._authenticator = make()
            self._authenticator.start()
            self._ready.set()

        loop.create_task(begin())
        run(loop)
        loop.close()

    def __getattr__(self, name):
        return lambda *arguments, **options: self._call(name, arguments, options)

    def _call(self, name, arguments, options):
        async def call():
            return getattr(self._authenticator, name)(*arguments, **options)

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result(10)

    def stop(self):
        self._call("stop", (), {})
        self._loop.call_soon_threadsafe(self._stop_loop, self._loop)
        self._thread.join(10)


def start(kind, context):
    """An authenticator that runs; its user stops it."""
    if kind == "thread":
        authenticator = ThreadAuthenticator(context)
        authenticator.start()
        return authenticator
    if kind == "asyncio":
        return InLoop(lambda: AsyncioAuthenticator(context), lambda loop: loop.run_forever(), lambda loop: loop.stop())
    return InLoop(
        lambda: IOLoopAuthenticator(context),
        lambda loop: tornado.ioloop.IOLoop.current().start(),
        lambda loop: tornado.ioloop.IOLoop.current().stop(),
    )
