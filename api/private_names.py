"""The private and undocumented names of libraries that the API uses.

A release may rename or remove any of them without notice. `tests/test_private_names.py` fails when
one is missing, and when the API uses a name with an underscore that is not listed here.
"""

PRIVATE: dict[str, tuple[str, ...]] = {
    "sqlalchemy.sql.dml.Insert": ("_select_names", "_values"),
    "sqlalchemy.sql.dml.Update": ("_values",),
    "sqlalchemy.sql.selectable.Select": ("_prefixes", "_suffixes", "_hints", "_statement_hints"),
    "graphql.execution.Executor": (
        "_relevant_sub_fields",
        "build_resolve_info",
        "collect_subfields",
        "fragments",
        "middleware_manager",
        "variable_values",
    ),
    "graphql.execution.collect_fields.collect_fields": (),
    "graphql.execution.collect_fields.FieldDetails": ("node",),
    "graphql.execution.collect_fields.GroupedFieldSet": (),
    "graphql.execution.values.VariableValues": (),
    "graphql.utilities.coerce_input_value.coerce_default_value": (),
    "graphql.type.GraphQLInputObjectType": ("out_type",),
    "prometheus_client.metrics.Histogram": ("_buckets", "_sum"),
    "strawberry.schema.schema.StrawberryGraphQLCoreExecutionContext": ("operation_extensions",),
    "strawberry.schema.Schema": (
        "_schema",
        "exception_handlers",
        "execution_context_class",
        "get_extensions",
        "schema_converter",
    ),
    "strawberry.types.field.StrawberryField": (
        "get_result",
        "is_async",
        "is_basic_field",
        "python_name",
    ),
    "strawberry.types.fields.resolver.StrawberryResolver": (
        "info_parameter",
        "parent_parameter",
        "root_parameter",
        "self_parameter",
    ),
    "strawberry.types.base.StrawberryObjectDefinition": ("from_input", "is_input", "is_type_of"),
    "strawberry.types.info.Info": ("_raw_info", "_field"),
    "uvicorn.protocols.http.httptools_impl.HttpToolsProtocol": (
        *("cycle", "expect_100_continue", "headers", "loop", "parser", "pipeline", "transport"),
        *("config", "handle_websocket_upgrade", "scope"),
        *("send_400_response", "timeout_keep_alive_handler", "url"),
    ),
    "uvicorn.protocols.websockets.websockets_sansio_impl.WebSocketsSansIOProtocol": (
        *("close_sent", "config", "conn", "handle_parser_exception", "handle_ping"),
        "handshake_complete",
        *("handshake_initiated", "logger", "loop", "read_paused", "scope", "transport", "writable"),
    ),
    "uvicorn.protocols.utils.ClientDisconnected": (),
    "websockets.protocol.Protocol": (*("fail", "max_message_size", "parser", "recv_frame"),),
    "uvicorn.protocols.http.httptools_impl.RequestResponseCycle": (
        *("keep_alive", "response_complete", "response_started"),
    ),
}
"""The names of each class. A function or a class that is itself undocumented has none."""
