"""A client of a Jupyter kernel: runs each line of its input, a cell in JSON, and prints what comes of it in JSON. An object in JSON
is a request to the debugger. Arguments: the kernel's connection file; and `transport_encryption`, where it begins the kernel
itself, as a notebook's server does."""

import json
import sys

from jupyter_client import BlockingKernelClient, KernelManager

manager = None
if len(sys.argv) > 2:
    manager = KernelManager(transport_encryption=sys.argv[2], connection_file=sys.argv[1])
    manager.start_kernel()
    client = manager.client()
else:
    client = BlockingKernelClient(connection_file=sys.argv[1])
    client.load_connection_file()
client.start_channels()
client.wait_for_ready(timeout=100)
print("ready", flush=True)
for line in sys.stdin:
    cell, outputs = json.loads(line), []
    if isinstance(cell, dict):
        request = client.session.msg("debug_request", cell)
        client.control_channel.send(request)
        reply = client.get_control_msg(timeout=100)
        while reply["parent_header"].get("msg_id") != request["header"]["msg_id"]:
            reply = client.get_control_msg(timeout=100)
        print(json.dumps(reply["content"]), flush=True)
        continue

    def keep(message):
        content = message["content"]
        if message["msg_type"] == "stream":
            outputs.append([content["name"], content["text"]])
        elif message["msg_type"] == "execute_result":
            outputs.append(["result", content["data"]["text/plain"]])

    reply = client.execute_interactive(cell, output_hook=keep, timeout=100)
    print(json.dumps([reply["content"]["status"], outputs]), flush=True)
client.stop_channels()
if manager:
    manager.shutdown_kernel(now=True)
