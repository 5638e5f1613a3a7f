"""The server as a whole: health, reflection, errors nobody foresaw, its process."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from fenliu.app import App
from fenliu.config import ConfigError, ServerConfig
from fenliu.rpc.context import from_this_machine
from fenliu.rpc.methods import SERVICE_NAMES, SanitisedServices
from fenliu.v1 import shop_pb2
from support.calls import Caller, Start, demo_shop, refused

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


async def test_health_is_serving_and_turns_when_draining(start: Start):
    async with start() as call:
        stub = health_pb2_grpc.HealthStub(call.channel)
        for name in ("", *SERVICE_NAMES):
            answer = await stub.Check(health_pb2.HealthCheckRequest(service=name))
            assert answer.status == SERVING
        watching = aiter(stub.Watch(health_pb2.HealthCheckRequest()))
        assert (await anext(watching)).status == SERVING
        stopping = asyncio.create_task(call.app.stop())
        assert (await anext(watching)).status == NOT_SERVING
        await stopping


@pytest.mark.parametrize("reflection", [True, False])
async def test_reflection_is_there_only_behind_its_flag(start: Start, reflection: bool):
    async with start(reflection=reflection) as call:
        stub = reflection_pb2_grpc.ServerReflectionStub(call.channel)
        if not reflection:
            # Nothing is sent: it would not get through to a call that is refused already.
            assert await stub.ServerReflectionInfo().code() is grpc.StatusCode.UNIMPLEMENTED
            return
        request = reflection_pb2.ServerReflectionRequest(list_services="*")
        answers = stub.ServerReflectionInfo(iter([request]))
        answer = await anext(aiter(answers))
        assert {*SERVICE_NAMES} <= {s.name for s in answer.list_services_response.service}


async def test_an_unforeseen_error_shows_an_id_and_nothing_of_itself():
    async def broken(request: bytes, context: Any) -> bytes:
        raise RuntimeError("secret inner text")

    async def broken_stream(request: bytes, context: Any) -> Any:
        yield b"one"
        raise RuntimeError("secret inner text")

    server = grpc.aio.server()
    table = {
        "Unary": grpc.unary_unary_rpc_method_handler(broken),
        "Stream": grpc.unary_stream_rpc_method_handler(broken_stream),
    }
    SanitisedServices(server).add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("t.T", table),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        with pytest.raises(grpc.aio.AioRpcError) as unary:
            await channel.unary_unary("/t.T/Unary")(b"")
        with pytest.raises(grpc.aio.AioRpcError) as stream:
            [item async for item in channel.unary_stream("/t.T/Stream")(b"")]
    await server.stop(None)
    for caught in (unary, stream):
        seen = refused(caught.value)
        assert seen.code is grpc.StatusCode.INTERNAL
        assert seen.metadata["error_id"] in seen.message
        assert "secret" not in str(caught.value)


async def test_a_port_in_use_is_refused(start: Start, tmp_path: Path):
    async with start() as call:
        app = App(ServerConfig(listen=call.address, data=tmp_path / "other", core="python"))
        with pytest.raises(RuntimeError):
            await app.start()
        await app.stop()


async def test_a_second_server_on_the_same_data_is_refused(start: Start, tmp_path: Path):
    async with start() as call:
        await call.apply(demo_shop())
        app = App(ServerConfig(listen="127.0.0.1:0", data=tmp_path / "data", core="python"))
        with pytest.raises(Exception, match="data"):
            await app.start()
        await app.stop()
        assert (await call.route("wang")).decision_id == "d1"


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"listen": "nowhere"}, "listen"),
        ({"listen": "127.0.0.1:99999"}, "listen"),
        ({"core": "java"}, "core"),
        ({"clock": "trace", "listen": "0.0.0.0:50051"}, "clock"),
        ({"partitions": 0}, "partitions"),
        ({"heartbeat_ms": 30_000}, "heartbeat_ms"),
        ({"slow_reader_ms": 0}, "slow_reader_ms"),
    ],
)
def test_a_bad_setting_is_named(settings: dict[str, Any], name: str):
    with pytest.raises(ConfigError, match=f"^{name}: "):
        ServerConfig(**settings)


def test_the_process_says_when_it_listens_and_drains_on_sigterm(core: Any, tmp_path: Path):
    process = subprocess.Popen(
        [sys.executable, "-m", "fenliu", "serve", "--listen", "127.0.0.1:0"],
        env={**os.environ, "FENLIU_DATA": str(tmp_path / "data"), "FENLIU_CORE": core.CORE},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith("listening on 127.0.0.1:")
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (0, ""), err


async def test_an_overlong_message_is_refused_by_the_transport(call: Caller):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.channel.unary_unary("/fenliu.v1.DispatchService/Route")(b"x" * 5_000_000)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_an_actor_named_from_another_machine_is_refused(tmp_path: Path):
    config = ServerConfig(listen="0.0.0.0:0", data=tmp_path / "data", core="python")
    app = App(config)
    port = (await app.start()).rpartition(":")[2]
    try:
        # This machine's own address that is not loopback, as a neighbour would be seen.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect(("192.0.2.1", 9))  # Sends nothing; asks for the route's source.
            except OSError:
                pytest.skip("no other machine can be played: this one has no address but loopback")
            host = probe.getsockname()[0]
        async with grpc.aio.insecure_channel(f"{host}:{port}") as channel:
            call = Caller(channel, app, f"{host}:{port}")
            await call.apply(demo_shop())
            refused = await call.refusal(
                "ShopService/ApplyShop",
                shop_pb2.ApplyShopRequest(shop=demo_shop(busy_threshold=9)),
                fenliu_actor="boss",
            )
        assert (refused.code, refused.reason) == (
            grpc.StatusCode.PERMISSION_DENIED,
            "NOT_ALLOWED",
        )
    finally:
        await app.stop()


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        ("ipv4:127.0.0.1:1234", True),
        ("ipv6:%5B::1%5D:1234", True),
        ("unix:", True),
        ("ipv4:192.168.1.7:1234", False),
        ("ipv6:%5Bfe80::1%5D:1234", False),
    ],
)
def test_peers_of_this_machine_are_known(peer: str, expected: bool):
    assert from_this_machine(peer) is expected
