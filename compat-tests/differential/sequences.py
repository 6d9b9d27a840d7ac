"""Random sequences of calls, each from its seed alone.

A sequence is a list of lines as interpreter.c reads them. It is a scene: options, patterns over inproc, connections, messages, and so on,
with calls strewn in that make no sense where they stand.
"""

from connected import Connected
from drafts import SCENES as DRAFT_SCENES
from drafts import Drafts
from vocabulary import PAIR, STREAM


def scene_options(scene):
    for kind in scene.random.sample(scene.types, 4):
        scene.socket(kind)
    for _ in range(45):
        scene.random.choices([scene.set_option, scene.get_option, scene.oddity], [50, 45, 5])[0]()


def scene_inproc(scene):
    for _ in range(scene.pick([1, 1, 2])):
        scene.couple()
    for _ in range(45):
        scene.traffic()


def scene_network(scene):
    monitored = scene.chance(0.5)
    pair = (STREAM, STREAM) if scene.chance(0.1) else None
    scene.couple(network=True, pair=pair, monitored=monitored)
    for _ in range(25):
        scene.traffic(network=True)
        if monitored and scene.chance(0.15):
            scene.add("events", scene.handle())
    if monitored:
        for slot in scene.sockets:
            scene.add("events", f"s{slot}")


def scene_strangers(scene):
    """Sockets of types that do not fit; over the network, who of two refuses first is chance."""
    scene.couple(pair=(scene.pick(scene.types), scene.pick(scene.types)))
    for _ in range(30):
        scene.traffic()


def scene_unconnected(scene):
    for kind in scene.random.sample(scene.types, 5):
        scene.socket(kind)
    for _ in range(40):
        scene.pick([scene.send, scene.receive, scene.look, scene.pattern_option, scene.poll])()


def scene_endpoints(scene):
    for kind in scene.random.sample(scene.types, 3):
        scene.socket(kind)
    for _ in range(25):
        scene.endpoint_call()
        if scene.chance(0.1):
            scene.close()
            scene.socket(scene.pick(scene.types))


def scene_messages(scene):
    scene.couple(pair=(PAIR, PAIR))
    for _ in range(45):
        scene.random.choices([scene.message_call, scene.send, scene.receive], [80, 10, 10])[0]()


def scene_contexts(scene):
    scene.add("ctx_new", "c1")
    for _ in range(scene.random.randrange(10)):
        scene.context_call()
    for _ in range(4):
        scene.socket(scene.pick([*scene.types, 21, 22, -1, 99]) if scene.chance(0.7) else PAIR)
    for _ in range(25):
        choice = scene.random.random()
        if choice < 0.05:
            scene.add("ctx_shutdown", scene.pick(["c0", "c0", "c1", "c-"]))
        elif choice < 0.1:
            scene.add(scene.pick(["ctx_term", "ctx_destroy"]), scene.pick(["c1", "c-", "c1"]))
        elif choice < 0.15:
            scene.add("init", "c2", scene.pick([-1, 0, 1, 2]))
            scene.add("ctx_destroy", "c2")
        elif choice < 0.2:
            scene.socket(scene.pick(scene.types), scene.pick([0, 0, 1, 2, "-"]))
        elif choice < 0.5:
            scene.context_call()
        else:
            scene.pick([scene.send, scene.receive, scene.get_option, scene.look, scene.endpoint_call, scene.close])()


def scene_misc(scene):
    scene.socket(scene.pick(scene.types))
    for _ in range(30):
        scene.misc_call()


# How often each is played. Those that wait for the network take long.
SCENES = [
    (20, scene_options), (34, scene_inproc), (6, scene_network), (8, scene_strangers), (10, scene_unconnected),
    (5, scene_endpoints), (6, scene_messages), (6, scene_contexts), (4, scene_misc),
]


def sequence(seed, only=None, draft=False):
    """The calls of one seed."""
    scene = Drafts(seed) if draft else Connected(seed)
    scene.add("ctx_new", "c0")
    scenes = [(weight, play) for weight, play in (DRAFT_SCENES if draft else SCENES) if only in (None, play.__name__.removeprefix("scene_"))]
    weights = [weight for weight, _ in scenes]
    scene.random.choices([play for _, play in scenes], weights)[0](scene)
    return scene.calls
