"""The gRPC face: protobuf to calls, streams and leases, errors, identity. Decides nothing."""
