"""The tag of the wheel: any Python 3, and the machine that the binaries are for."""

import os
from typing import Any, Dict

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PlatformTag(BuildHookInterface):
    """`packaging/python/build` names the machine; auditwheel then says which glibc is enough."""

    def initialize(self, version: str, build_data: Dict[str, Any]) -> None:
        """Called by hatchling before it builds."""
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-linux_{os.environ['FERROZMQ_WHEEL_MACHINE']}"
