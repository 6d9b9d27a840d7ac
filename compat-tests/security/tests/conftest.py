"""Fixtures: a context, a folder of certificates, a running authenticator."""

import pytest
import zmq

import authenticators
from secured import Certificates


class Context(zmq.Context):
    """Its sockets never keep the end of a test waiting."""

    def socket(self, *arguments, **options):
        socket = super().socket(*arguments, **options)
        socket.linger = 0
        return socket


@pytest.fixture
def context():
    context = Context()
    yield context
    context.destroy(linger=0)


@pytest.fixture
def certificates(tmp_path):
    return Certificates(tmp_path)


@pytest.fixture
def authenticator(context):
    authenticator = authenticators.start("thread", context)
    yield authenticator
    authenticator.stop()


@pytest.fixture(params=authenticators.KINDS)
def any_authenticator(request, context):
    authenticator = authenticators.start(request.param, context)
    yield authenticator
    authenticator.stop()
