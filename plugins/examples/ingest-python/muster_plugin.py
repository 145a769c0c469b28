"""What a muster plugin in Python needs: the handshake, mutual TLS, the contract.

The message classes are made at run time from contract.binpb, the frozen
contract, so no code is generated. Needs grpcio, protobuf and cryptography.
"""

import base64
import datetime
import os
import pkgutil
import sys
import threading
from concurrent import futures

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

COOKIE = ("MUSTER_PLUGIN", "b3f0d5a1c1f2481c8f6d2f7d8a5e9c40")
PROTOCOL = "1"
MAX_MESSAGE = 16 << 20


class Contract:
    """The messages of the contract, by their full names."""

    def __init__(self, image):
        self._pool = descriptor_pool.DescriptorPool()
        for file in descriptor_pb2.FileDescriptorSet.FromString(image).file:
            self._pool.AddSerializedFile(file.SerializeToString())
        self._factory = message_factory.MessageFactory(self._pool)

    def message(self, name):
        descriptor = self._pool.FindMessageTypeByName("muster.plugin." + name)
        if hasattr(message_factory, "GetMessageClass"):  # protobuf 4 and later
            return message_factory.GetMessageClass(descriptor)
        return self._factory.GetPrototype(descriptor)

    def handlers(self, service, methods):
        """Turns {method: function} into what a server adds."""
        descriptor = self._pool.FindServiceByName("muster.plugin." + service)
        return grpc.method_handlers_generic_handler(
            descriptor.full_name, {name: self._handler(descriptor.methods_by_name[name], f) for name, f in methods.items()}
        )

    def _handler(self, method, function):
        proto = descriptor_pb2.MethodDescriptorProto()
        method.CopyToProto(proto)
        shape = ("stream" if proto.client_streaming else "unary", "stream" if proto.server_streaming else "unary")
        make = getattr(grpc, "%s_%s_rpc_method_handler" % shape)
        request = self.message(method.input_type.full_name[len("muster.plugin."):])
        return make(function, request_deserializer=request.FromString, response_serializer=lambda m: m.SerializeToString())


def contract():
    """Reads the contract that lies beside this file, in a folder or in a zip."""
    return Contract(pkgutil.get_data(__name__, "contract.binpb"))


def identity():
    """Makes a key and a certificate for this process: PEM, PEM, and its DER."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.utcnow()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=3650))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    return (
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
        certificate.public_bytes(pem),
        certificate.public_bytes(serialization.Encoding.DER),
    )


def serve(handlers):
    """Serves the plugin to the host that started this process, until it says so."""
    if os.environ.get(COOKIE[0]) != COOKIE[1]:
        sys.exit("This is a plugin of muster, which starts it by itself: see `muster plugin test`.")
    if PROTOCOL not in os.environ.get("PLUGIN_PROTOCOL_VERSIONS", "").split(","):
        print("1|%s|unix||grpc|" % PROTOCOL, flush=True)  # the host explains it to its user
        sys.exit(1)
    done = threading.Event()
    server = grpc.server(
        futures.ThreadPoolExecutor(max_workers=16),
        options=[("grpc.max_receive_message_length", MAX_MESSAGE), ("grpc.max_send_message_length", MAX_MESSAGE)],
    )
    server.add_generic_rpc_handlers(tuple(handlers) + (_controller(done),))
    key, certificate, der = identity()
    credentials = grpc.ssl_server_credentials(
        [(key, certificate)],
        root_certificates=os.environ["PLUGIN_CLIENT_CERT"].encode(),
        require_client_auth=True,
    )
    socket = os.path.join(os.environ["PLUGIN_UNIX_SOCKET_DIR"], "plugin")
    server.add_secure_port("unix:" + socket, credentials)
    server.start()
    # The one line that goes to standard output.
    print("1|%s|unix|%s|grpc|%s" % (PROTOCOL, socket, base64.b64encode(der).decode().rstrip("=")), flush=True)
    done.wait()
    server.stop(grace=1).wait()


def _controller(done):
    """The service through which a host asks a plugin to end. Its messages are empty."""

    def shutdown(request, context):
        done.set()
        return b""

    handler = grpc.unary_unary_rpc_method_handler(shutdown)
    return grpc.method_handlers_generic_handler("plugin.GRPCController", {"Shutdown": handler})
