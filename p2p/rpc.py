"""Pubsub's RPCs on the wire, and the messages in them: frames, ids, signatures.

A frame is the length of its body as a varint, and the body: the protobuf `RPC` of libp2p's pubsub.
A message is signed by its author over `libp2p-pubsub:` and its protobuf without key and signature
(StrictSign). Authors have Ed25519 keys, which their ids are; a key in the message is not looked at.
"""

from hashlib import sha256
from typing import Final

from google.protobuf.message import DecodeError
from libp2p.crypto.ed25519 import Ed25519PublicKey
from libp2p.crypto.keys import PrivateKey
from libp2p.peer.id import ID
from libp2p.pubsub.pb.rpc_pb2 import RPC, Message
from libp2p.pubsub.validators import PUBSUB_SIGNING_PREFIX
from libp2p.utils import encode_varint_prefixed

from p2p.frames import READ_BYTES_MAX, ByteStream
from p2p.identity import BadPeerIdError, public_key_of

MESSAGE_BYTES_MAX: Final = 256 * 2**10
# What a message may have besides its data: topic, author, key, signature, number.
ENVELOPE_BYTES_MAX: Final = 512
RPC_BYTES_MAX: Final = 2 * MESSAGE_BYTES_MAX
MESSAGES_PER_RPC_MAX: Final = 1_024
SUBSCRIPTIONS_PER_RPC_MAX: Final = 128
LENGTH_BYTES_MAX: Final = 4
ID_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
NUMBER_BYTES: Final = 8


class BadRpcError(Exception):
    """An RPC that no honest peer sends; says what is wrong with it."""


class RpcReader:
    """Reads frames from a stream, as many bytes at a time as there are.

    The library answers each read with a frame of its own, a window update: to read a length byte by
    byte costs more than all that is done with the message.
    """

    def __init__(self, stream: ByteStream) -> None:
        """Begin at the start of a frame."""
        self._stream = stream
        self._buffer = bytearray()

    async def read(self) -> RPC:
        """Return the next RPC; raises `BadRpcError`, `EOFError`, or what the stream does."""
        rpc = RPC()
        try:
            rpc.ParseFromString(await self._body())
        except DecodeError as error:
            raise BadRpcError("a frame that is no RPC") from error
        messages, subscriptions = len(rpc.publish), len(rpc.subscriptions)
        if messages > MESSAGES_PER_RPC_MAX or subscriptions > SUBSCRIPTIONS_PER_RPC_MAX:
            raise BadRpcError(f"{messages} messages and {subscriptions} subscriptions in a frame")
        return rpc

    async def _body(self) -> bytes:
        while True:
            start, size = self._head()
            if size > RPC_BYTES_MAX:
                raise BadRpcError(f"a frame of {size} bytes; at most {RPC_BYTES_MAX} are allowed")
            if start and len(self._buffer) >= start + size:
                body = bytes(self._buffer[start : start + size])
                del self._buffer[: start + size]
                return body
            some = await self._stream.read(READ_BYTES_MAX)
            if not some:
                raise EOFError("the stream has ended")
            self._buffer += some

    def _head(self) -> tuple[int, int]:
        """Return where the body starts and its size, or zeros if its length is not there yet."""
        size = 0
        for index, byte in enumerate(self._buffer[:LENGTH_BYTES_MAX]):
            size |= (byte & 0x7F) << (7 * index)
            if byte < 0x80:  # noqa: PLR2004 - the bit that says that more follow
                return index + 1, size
        if len(self._buffer) >= LENGTH_BYTES_MAX:
            raise BadRpcError("a frame whose length does not end")
        return 0, 0


def frame_of(rpc: RPC) -> bytes:
    """Return what travels."""
    return encode_varint_prefixed(rpc.SerializeToString())


def message_id(message: Message) -> bytes:
    """Return the id of a message: the hash of its topic and its data, whoever signed it."""
    return sha256(b"\0".join([*(one.encode() for one in message.topicIDs), message.data])).digest()


def signed_message(author: ID, key: PrivateKey, number: int, topic: str, data: bytes) -> Message:
    """Return a message of ours."""
    seqno = number.to_bytes(NUMBER_BYTES, "big")
    message = Message(from_id=author.to_bytes(), data=data, seqno=seqno, topicIDs=[topic])
    message.signature = key.sign(_signed_bytes(message))
    return message


def bare_of(message: Message) -> Message:
    """Return a message with what is signed of it, and nothing else.

    What came also holds the memory of the whole frame that it came in.
    """
    bare = _unsigned(message)
    bare.signature = message.signature
    return bare


def flaw_of(message: Message) -> str:
    """Return what is wrong with the form of a message, or nothing."""
    size = len(message.data)
    if not 0 < size <= MESSAGE_BYTES_MAX:
        return f"a message of {size} bytes"
    if message.ByteSize() > size + ENVELOPE_BYTES_MAX:
        return f"a message of {size} bytes in an envelope of {message.ByteSize()}"
    if len(message.topicIDs) != 1:
        return f"a message of {len(message.topicIDs)} topics"
    if len(message.signature) != SIGNATURE_BYTES or len(message.seqno) != NUMBER_BYTES:
        return "a message without signature or number"
    return ""


def is_signed(message: Message) -> bool:
    """Say whether a message bears the signature of its author."""
    try:
        key = Ed25519PublicKey.from_bytes(public_key_of(ID(message.from_id)))
    except (BadPeerIdError, ValueError):
        return False
    return key.verify(_signed_bytes(message), message.signature)


def _unsigned(message: Message) -> Message:
    return Message(
        from_id=message.from_id, data=message.data, seqno=message.seqno, topicIDs=message.topicIDs
    )


def _signed_bytes(message: Message) -> bytes:
    return PUBSUB_SIGNING_PREFIX.encode() + _unsigned(message).SerializeToString()
