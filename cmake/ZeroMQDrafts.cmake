# Installed by `make install DRAFTS=1`: whoever links the targets sees the draft part of zmq.h.
set(ZeroMQ_DEFINITIONS ZMQ_BUILD_DRAFT_API=1)
