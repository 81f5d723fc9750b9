"""The gRPC server of the local endpoint: its port, its threads, its shutdown."""

from concurrent.futures import ThreadPoolExecutor

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from export.serving.grpc_service import Services
from export.serving.limits import Limits
from export.serving.listening import bracketed
from tfgan_models.errors import FailureError

_HEALTH_OF = (
    "",
    "tensorflow.serving.PredictionService",
    "tensorflow.serving.ModelService",
)
# They answer health checks while all others run requests.
_SPARE_THREADS = 16
# For what arrived just before the stop, and for responses on their way.
_LAST_SECONDS = 1.0


class GrpcServer:
    """PredictionService, ModelService and grpc.health.v1 at one port.

    It listens once constructed; clients wait until `start`.

    Args:
        host: Address to listen on.
        port: 0: any free one.
        limits: Of each request, and of how many run at once.

    Attributes:
        port: Where it listens.

    Raises:
        FailureError: It cannot listen on the port.
    """

    def __init__(self, host: str, port: int, limits: Limits) -> None:
        threads = limits.max_in_flight + _SPARE_THREADS
        self._server = grpc.server(
            ThreadPoolExecutor(threads, thread_name_prefix="grpc"),
            options=[
                # Otherwise a second server at the same port would take half of ours.
                ("grpc.so_reuseport", 0),
                ("grpc.max_receive_message_length", limits.max_body_bytes),
                ("grpc.max_send_message_length", -1),
            ],
            maximum_concurrent_rpcs=threads,
        )
        self._health = health.HealthServicer()
        self._services: Services | None = None
        try:
            self.port = self._server.add_insecure_port(f"{bracketed(host)}:{port}")
        except RuntimeError as error:
            raise FailureError(
                f"Cannot listen on {host}:{port} for gRPC. "
                "Choose another port with --grpc_port (0: any free one)."
            ) from error

    def start(self, services: Services) -> None:
        """Starts answering requests."""
        self._services = services
        services.add_to(self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        for service in _HEALTH_OF:
            self._health.set(service, health_pb2.HealthCheckResponse.SERVING)
        self._server.start()

    def stop(self, grace_seconds: float) -> bool:
        """Refuses new requests, waits for running ones, and stops.

        Args:
            grace_seconds: The maximum wait.

        Returns:
            Whether all were finished.
        """
        self._health.enter_graceful_shutdown()
        self._server.stop(grace_seconds + _LAST_SECONDS)
        finished = self._services is None or self._services.wait(grace_seconds)
        # Clients that watch the health would never disconnect by themselves.
        self._server.stop(_LAST_SECONDS).wait()
        return finished
