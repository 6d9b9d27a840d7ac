# An existing image on ferrozmq: the last two lines are all that it takes. They serve every program in it that calls libzmq dynamically.
FROM python:3.12-slim
RUN pip install --no-cache-dir pyzmq==27.3.0
CMD ["python", "-c", "import zmq; print(zmq.zmq_version(), zmq.has('draft'))"]

# The image that Dockerfile here makes.
# hadolint ignore=DL3022
COPY --from=ferrozmq /opt/ferrozmq /opt/ferrozmq
ENV LD_PRELOAD=/opt/ferrozmq/lib/libzmq.so.5
