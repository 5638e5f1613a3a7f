from fenliu.v1 import types_pb2 as _types_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SelectionMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SELECTION_MODE_UNSPECIFIED: _ClassVar[SelectionMode]
    SELECTION_MODE_WEIGHTED: _ClassVar[SelectionMode]
    SELECTION_MODE_EVEN: _ClassVar[SelectionMode]

class BindingDimension(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    BINDING_DIMENSION_UNSPECIFIED: _ClassVar[BindingDimension]
    BINDING_DIMENSION_PRODUCT: _ClassVar[BindingDimension]
    BINDING_DIMENSION_INTENT: _ClassVar[BindingDimension]
    BINDING_DIMENSION_ORDER_STATUS: _ClassVar[BindingDimension]
    BINDING_DIMENSION_PAGE_SOURCE: _ClassVar[BindingDimension]

class ReceptionMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RECEPTION_MODE_UNSPECIFIED: _ClassVar[ReceptionMode]
    RECEPTION_MODE_HUMAN_FIRST: _ClassVar[ReceptionMode]
    RECEPTION_MODE_ROBOT_FIRST: _ClassVar[ReceptionMode]
    RECEPTION_MODE_MIXED: _ClassVar[ReceptionMode]

class ReceptionScope(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RECEPTION_SCOPE_UNSPECIFIED: _ClassVar[ReceptionScope]
    RECEPTION_SCOPE_SHOP: _ClassVar[ReceptionScope]
    RECEPTION_SCOPE_GROUP: _ClassVar[ReceptionScope]

class OfflineTarget(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OFFLINE_TARGET_UNSPECIFIED: _ClassVar[OfflineTarget]
    OFFLINE_TARGET_POOL: _ClassVar[OfflineTarget]
    OFFLINE_TARGET_PROXY: _ClassVar[OfflineTarget]
    OFFLINE_TARGET_OWNER: _ClassVar[OfflineTarget]

class UnavailablePolicy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    UNAVAILABLE_POLICY_UNSPECIFIED: _ClassVar[UnavailablePolicy]
    UNAVAILABLE_POLICY_SPILL: _ClassVar[UnavailablePolicy]
    UNAVAILABLE_POLICY_QUEUE: _ClassVar[UnavailablePolicy]
    UNAVAILABLE_POLICY_ROBOT: _ClassVar[UnavailablePolicy]
    UNAVAILABLE_POLICY_OFFLINE: _ClassVar[UnavailablePolicy]

class LintRule(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LINT_RULE_UNSPECIFIED: _ClassVar[LintRule]
    LINT_RULE_UNREACHABLE_GROUP: _ClassVar[LintRule]
    LINT_RULE_UNSTAFFED_GROUP: _ClassVar[LintRule]
    LINT_RULE_OVERLAPPING_BINDINGS: _ClassVar[LintRule]
    LINT_RULE_MODE_WITHOUT_ROBOT: _ClassVar[LintRule]
    LINT_RULE_IMPOSSIBLE_CAP: _ClassVar[LintRule]
SELECTION_MODE_UNSPECIFIED: SelectionMode
SELECTION_MODE_WEIGHTED: SelectionMode
SELECTION_MODE_EVEN: SelectionMode
BINDING_DIMENSION_UNSPECIFIED: BindingDimension
BINDING_DIMENSION_PRODUCT: BindingDimension
BINDING_DIMENSION_INTENT: BindingDimension
BINDING_DIMENSION_ORDER_STATUS: BindingDimension
BINDING_DIMENSION_PAGE_SOURCE: BindingDimension
RECEPTION_MODE_UNSPECIFIED: ReceptionMode
RECEPTION_MODE_HUMAN_FIRST: ReceptionMode
RECEPTION_MODE_ROBOT_FIRST: ReceptionMode
RECEPTION_MODE_MIXED: ReceptionMode
RECEPTION_SCOPE_UNSPECIFIED: ReceptionScope
RECEPTION_SCOPE_SHOP: ReceptionScope
RECEPTION_SCOPE_GROUP: ReceptionScope
OFFLINE_TARGET_UNSPECIFIED: OfflineTarget
OFFLINE_TARGET_POOL: OfflineTarget
OFFLINE_TARGET_PROXY: OfflineTarget
OFFLINE_TARGET_OWNER: OfflineTarget
UNAVAILABLE_POLICY_UNSPECIFIED: UnavailablePolicy
UNAVAILABLE_POLICY_SPILL: UnavailablePolicy
UNAVAILABLE_POLICY_QUEUE: UnavailablePolicy
UNAVAILABLE_POLICY_ROBOT: UnavailablePolicy
UNAVAILABLE_POLICY_OFFLINE: UnavailablePolicy
LINT_RULE_UNSPECIFIED: LintRule
LINT_RULE_UNREACHABLE_GROUP: LintRule
LINT_RULE_UNSTAFFED_GROUP: LintRule
LINT_RULE_OVERLAPPING_BINDINGS: LintRule
LINT_RULE_MODE_WITHOUT_ROBOT: LintRule
LINT_RULE_IMPOSSIBLE_CAP: LintRule

class Shop(_message.Message):
    __slots__ = ("shop_id", "display_name", "owner_agent_id", "settings", "agents", "groups", "etag")
    SHOP_ID_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    OWNER_AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    AGENTS_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    shop_id: str
    display_name: str
    owner_agent_id: str
    settings: ShopSettings
    agents: _containers.RepeatedCompositeFieldContainer[Agent]
    groups: _containers.RepeatedCompositeFieldContainer[Group]
    etag: str
    def __init__(self, shop_id: _Optional[str] = ..., display_name: _Optional[str] = ..., owner_agent_id: _Optional[str] = ..., settings: _Optional[_Union[ShopSettings, _Mapping]] = ..., agents: _Optional[_Iterable[_Union[Agent, _Mapping]]] = ..., groups: _Optional[_Iterable[_Union[Group, _Mapping]]] = ..., etag: _Optional[str] = ...) -> None: ...

class ShopSettings(_message.Message):
    __slots__ = ("busy_threshold", "selection_mode", "sticky_window_ms", "sticky_suspended_window_ms", "charge_sticky", "binding_precedence", "reception_mode", "reception_scope", "robot_id", "robot_percent", "offline_target", "proxy_agent_id", "queue_limit", "queue_timeout_ms", "reply_timeout_ms", "max_hops", "idle_close_ms", "timestamp_skew_ms", "longest_wait_ms", "slow_gap_ms", "slow_count", "buyer_agents")
    BUSY_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    SELECTION_MODE_FIELD_NUMBER: _ClassVar[int]
    STICKY_WINDOW_MS_FIELD_NUMBER: _ClassVar[int]
    STICKY_SUSPENDED_WINDOW_MS_FIELD_NUMBER: _ClassVar[int]
    CHARGE_STICKY_FIELD_NUMBER: _ClassVar[int]
    BINDING_PRECEDENCE_FIELD_NUMBER: _ClassVar[int]
    RECEPTION_MODE_FIELD_NUMBER: _ClassVar[int]
    RECEPTION_SCOPE_FIELD_NUMBER: _ClassVar[int]
    ROBOT_ID_FIELD_NUMBER: _ClassVar[int]
    ROBOT_PERCENT_FIELD_NUMBER: _ClassVar[int]
    OFFLINE_TARGET_FIELD_NUMBER: _ClassVar[int]
    PROXY_AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    QUEUE_LIMIT_FIELD_NUMBER: _ClassVar[int]
    QUEUE_TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    REPLY_TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    MAX_HOPS_FIELD_NUMBER: _ClassVar[int]
    IDLE_CLOSE_MS_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMP_SKEW_MS_FIELD_NUMBER: _ClassVar[int]
    LONGEST_WAIT_MS_FIELD_NUMBER: _ClassVar[int]
    SLOW_GAP_MS_FIELD_NUMBER: _ClassVar[int]
    SLOW_COUNT_FIELD_NUMBER: _ClassVar[int]
    BUYER_AGENTS_FIELD_NUMBER: _ClassVar[int]
    busy_threshold: int
    selection_mode: SelectionMode
    sticky_window_ms: int
    sticky_suspended_window_ms: int
    charge_sticky: bool
    binding_precedence: _containers.RepeatedScalarFieldContainer[BindingDimension]
    reception_mode: ReceptionMode
    reception_scope: ReceptionScope
    robot_id: str
    robot_percent: int
    offline_target: OfflineTarget
    proxy_agent_id: str
    queue_limit: int
    queue_timeout_ms: int
    reply_timeout_ms: int
    max_hops: int
    idle_close_ms: int
    timestamp_skew_ms: int
    longest_wait_ms: int
    slow_gap_ms: int
    slow_count: int
    buyer_agents: _containers.RepeatedCompositeFieldContainer[BuyerAgent]
    def __init__(self, busy_threshold: _Optional[int] = ..., selection_mode: _Optional[_Union[SelectionMode, str]] = ..., sticky_window_ms: _Optional[int] = ..., sticky_suspended_window_ms: _Optional[int] = ..., charge_sticky: _Optional[bool] = ..., binding_precedence: _Optional[_Iterable[_Union[BindingDimension, str]]] = ..., reception_mode: _Optional[_Union[ReceptionMode, str]] = ..., reception_scope: _Optional[_Union[ReceptionScope, str]] = ..., robot_id: _Optional[str] = ..., robot_percent: _Optional[int] = ..., offline_target: _Optional[_Union[OfflineTarget, str]] = ..., proxy_agent_id: _Optional[str] = ..., queue_limit: _Optional[int] = ..., queue_timeout_ms: _Optional[int] = ..., reply_timeout_ms: _Optional[int] = ..., max_hops: _Optional[int] = ..., idle_close_ms: _Optional[int] = ..., timestamp_skew_ms: _Optional[int] = ..., longest_wait_ms: _Optional[int] = ..., slow_gap_ms: _Optional[int] = ..., slow_count: _Optional[int] = ..., buyer_agents: _Optional[_Iterable[_Union[BuyerAgent, _Mapping]]] = ...) -> None: ...

class BuyerAgent(_message.Message):
    __slots__ = ("buyer_id", "agent_id")
    BUYER_ID_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    buyer_id: str
    agent_id: str
    def __init__(self, buyer_id: _Optional[str] = ..., agent_id: _Optional[str] = ...) -> None: ...

class Agent(_message.Message):
    __slots__ = ("agent_id", "display_name", "weight", "cap", "daily_limit", "hourly_limit", "permissions")
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    CAP_FIELD_NUMBER: _ClassVar[int]
    DAILY_LIMIT_FIELD_NUMBER: _ClassVar[int]
    HOURLY_LIMIT_FIELD_NUMBER: _ClassVar[int]
    PERMISSIONS_FIELD_NUMBER: _ClassVar[int]
    agent_id: str
    display_name: str
    weight: int
    cap: int
    daily_limit: int
    hourly_limit: int
    permissions: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, agent_id: _Optional[str] = ..., display_name: _Optional[str] = ..., weight: _Optional[int] = ..., cap: _Optional[int] = ..., daily_limit: _Optional[int] = ..., hourly_limit: _Optional[int] = ..., permissions: _Optional[_Iterable[str]] = ...) -> None: ...

class Group(_message.Message):
    __slots__ = ("group_id", "display_name", "agent_ids", "priority", "bindings", "when_unavailable", "reception_mode", "robot_percent")
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    AGENT_IDS_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    BINDINGS_FIELD_NUMBER: _ClassVar[int]
    WHEN_UNAVAILABLE_FIELD_NUMBER: _ClassVar[int]
    RECEPTION_MODE_FIELD_NUMBER: _ClassVar[int]
    ROBOT_PERCENT_FIELD_NUMBER: _ClassVar[int]
    group_id: str
    display_name: str
    agent_ids: _containers.RepeatedScalarFieldContainer[str]
    priority: int
    bindings: Bindings
    when_unavailable: UnavailablePolicy
    reception_mode: ReceptionMode
    robot_percent: int
    def __init__(self, group_id: _Optional[str] = ..., display_name: _Optional[str] = ..., agent_ids: _Optional[_Iterable[str]] = ..., priority: _Optional[int] = ..., bindings: _Optional[_Union[Bindings, _Mapping]] = ..., when_unavailable: _Optional[_Union[UnavailablePolicy, str]] = ..., reception_mode: _Optional[_Union[ReceptionMode, str]] = ..., robot_percent: _Optional[int] = ...) -> None: ...

class Bindings(_message.Message):
    __slots__ = ("product_ids", "intents", "order_statuses", "page_sources")
    PRODUCT_IDS_FIELD_NUMBER: _ClassVar[int]
    INTENTS_FIELD_NUMBER: _ClassVar[int]
    ORDER_STATUSES_FIELD_NUMBER: _ClassVar[int]
    PAGE_SOURCES_FIELD_NUMBER: _ClassVar[int]
    product_ids: _containers.RepeatedScalarFieldContainer[str]
    intents: _containers.RepeatedScalarFieldContainer[str]
    order_statuses: _containers.RepeatedScalarFieldContainer[_types_pb2.OrderStatus]
    page_sources: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, product_ids: _Optional[_Iterable[str]] = ..., intents: _Optional[_Iterable[str]] = ..., order_statuses: _Optional[_Iterable[_Union[_types_pb2.OrderStatus, str]]] = ..., page_sources: _Optional[_Iterable[str]] = ...) -> None: ...

class GetShopRequest(_message.Message):
    __slots__ = ("shop_id",)
    SHOP_ID_FIELD_NUMBER: _ClassVar[int]
    shop_id: str
    def __init__(self, shop_id: _Optional[str] = ...) -> None: ...

class GetShopResponse(_message.Message):
    __slots__ = ("shop",)
    SHOP_FIELD_NUMBER: _ClassVar[int]
    shop: Shop
    def __init__(self, shop: _Optional[_Union[Shop, _Mapping]] = ...) -> None: ...

class ListShopsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListShopsResponse(_message.Message):
    __slots__ = ("shops", "next_page_token")
    SHOPS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    shops: _containers.RepeatedCompositeFieldContainer[ShopSummary]
    next_page_token: str
    def __init__(self, shops: _Optional[_Iterable[_Union[ShopSummary, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ShopSummary(_message.Message):
    __slots__ = ("shop_id", "display_name", "agents", "groups", "etag")
    SHOP_ID_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    AGENTS_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    shop_id: str
    display_name: str
    agents: int
    groups: int
    etag: str
    def __init__(self, shop_id: _Optional[str] = ..., display_name: _Optional[str] = ..., agents: _Optional[int] = ..., groups: _Optional[int] = ..., etag: _Optional[str] = ...) -> None: ...

class UpdateShopRequest(_message.Message):
    __slots__ = ("shop", "update_mask")
    SHOP_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    shop: Shop
    update_mask: _field_mask_pb2.FieldMask
    def __init__(self, shop: _Optional[_Union[Shop, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class UpdateShopResponse(_message.Message):
    __slots__ = ("shop",)
    SHOP_FIELD_NUMBER: _ClassVar[int]
    shop: Shop
    def __init__(self, shop: _Optional[_Union[Shop, _Mapping]] = ...) -> None: ...

class DeleteShopRequest(_message.Message):
    __slots__ = ("shop_id", "etag", "force")
    SHOP_ID_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    shop_id: str
    etag: str
    force: bool
    def __init__(self, shop_id: _Optional[str] = ..., etag: _Optional[str] = ..., force: _Optional[bool] = ...) -> None: ...

class DeleteShopResponse(_message.Message):
    __slots__ = ("etag",)
    ETAG_FIELD_NUMBER: _ClassVar[int]
    etag: str
    def __init__(self, etag: _Optional[str] = ...) -> None: ...

class CreateAgentRequest(_message.Message):
    __slots__ = ("shop_id", "agent", "etag")
    SHOP_ID_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    shop_id: str
    agent: Agent
    etag: str
    def __init__(self, shop_id: _Optional[str] = ..., agent: _Optional[_Union[Agent, _Mapping]] = ..., etag: _Optional[str] = ...) -> None: ...

class CreateAgentResponse(_message.Message):
    __slots__ = ("agent", "etag")
    AGENT_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    agent: Agent
    etag: str
    def __init__(self, agent: _Optional[_Union[Agent, _Mapping]] = ..., etag: _Optional[str] = ...) -> None: ...

class GetAgentRequest(_message.Message):
    __slots__ = ("shop_id", "agent_id")
    SHOP_ID_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    shop_id: str
    agent_id: str
    def __init__(self, shop_id: _Optional[str] = ..., agent_id: _Optional[str] = ...) -> None: ...

class GetAgentResponse(_message.Message):
    __slots__ = ("agent", "etag")
    AGENT_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    agent: Agent
    etag: str
    def __init__(self, agent: _Optional[_Union[Agent, _Mapping]] = ..., etag: _Optional[str] = ...) -> None: ...

class ListAgentsRequest(_message.Message):
    __slots__ = ("shop_id", "page_size", "page_token")
    SHOP_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    shop_id: str
    page_size: int
    page_token: str
    def __init__(self, shop_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListAgentsResponse(_message.Message):
    __slots__ = ("agents", "next_page_token", "etag")
    AGENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    agents: _containers.RepeatedCompositeFieldContainer[Agent]
    next_page_token: str
    etag: str
    def __init__(self, agents: _Optional[_Iterable[_Union[Agent, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., etag: _Optional[str] = ...) -> None: ...

class UpdateAgentRequest(_message.Message):
    __slots__ = ("shop_id", "agent", "update_mask", "etag")
    SHOP_ID_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    shop_id: str
    agent: Agent
    update_mask: _field_mask_pb2.FieldMask
    etag: str
    def __init__(self, shop_id: _Optional[str] = ..., agent: _Optional[_Union[Agent, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., etag: _Optional[str] = ...) -> None: ...

class UpdateAgentResponse(_message.Message):
    __slots__ = ("agent", "etag")
    AGENT_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    agent: Agent
    etag: str
    def __init__(self, agent: _Optional[_Union[Agent, _Mapping]] = ..., etag: _Optional[str] = ...) -> None: ...

class DeleteAgentRequest(_message.Message):
    __slots__ = ("shop_id", "agent_id", "etag")
    SHOP_ID_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    shop_id: str
    agent_id: str
    etag: str
    def __init__(self, shop_id: _Optional[str] = ..., agent_id: _Optional[str] = ..., etag: _Optional[str] = ...) -> None: ...

class DeleteAgentResponse(_message.Message):
    __slots__ = ("etag",)
    ETAG_FIELD_NUMBER: _ClassVar[int]
    etag: str
    def __init__(self, etag: _Optional[str] = ...) -> None: ...

class CreateGroupRequest(_message.Message):
    __slots__ = ("shop_id", "group", "etag")
    SHOP_ID_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    shop_id: str
    group: Group
    etag: str
    def __init__(self, shop_id: _Optional[str] = ..., group: _Optional[_Union[Group, _Mapping]] = ..., etag: _Optional[str] = ...) -> None: ...

class CreateGroupResponse(_message.Message):
    __slots__ = ("group", "etag")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    group: Group
    etag: str
    def __init__(self, group: _Optional[_Union[Group, _Mapping]] = ..., etag: _Optional[str] = ...) -> None: ...

class GetGroupRequest(_message.Message):
    __slots__ = ("shop_id", "group_id")
    SHOP_ID_FIELD_NUMBER: _ClassVar[int]
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    shop_id: str
    group_id: str
    def __init__(self, shop_id: _Optional[str] = ..., group_id: _Optional[str] = ...) -> None: ...

class GetGroupResponse(_message.Message):
    __slots__ = ("group", "etag")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    group: Group
    etag: str
    def __init__(self, group: _Optional[_Union[Group, _Mapping]] = ..., etag: _Optional[str] = ...) -> None: ...

class ListGroupsRequest(_message.Message):
    __slots__ = ("shop_id", "page_size", "page_token")
    SHOP_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    shop_id: str
    page_size: int
    page_token: str
    def __init__(self, shop_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListGroupsResponse(_message.Message):
    __slots__ = ("groups", "next_page_token", "etag")
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    groups: _containers.RepeatedCompositeFieldContainer[Group]
    next_page_token: str
    etag: str
    def __init__(self, groups: _Optional[_Iterable[_Union[Group, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., etag: _Optional[str] = ...) -> None: ...

class UpdateGroupRequest(_message.Message):
    __slots__ = ("shop_id", "group", "update_mask", "etag")
    SHOP_ID_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    shop_id: str
    group: Group
    update_mask: _field_mask_pb2.FieldMask
    etag: str
    def __init__(self, shop_id: _Optional[str] = ..., group: _Optional[_Union[Group, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., etag: _Optional[str] = ...) -> None: ...

class UpdateGroupResponse(_message.Message):
    __slots__ = ("group", "etag")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    group: Group
    etag: str
    def __init__(self, group: _Optional[_Union[Group, _Mapping]] = ..., etag: _Optional[str] = ...) -> None: ...

class DeleteGroupRequest(_message.Message):
    __slots__ = ("shop_id", "group_id", "etag")
    SHOP_ID_FIELD_NUMBER: _ClassVar[int]
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    shop_id: str
    group_id: str
    etag: str
    def __init__(self, shop_id: _Optional[str] = ..., group_id: _Optional[str] = ..., etag: _Optional[str] = ...) -> None: ...

class DeleteGroupResponse(_message.Message):
    __slots__ = ("etag",)
    ETAG_FIELD_NUMBER: _ClassVar[int]
    etag: str
    def __init__(self, etag: _Optional[str] = ...) -> None: ...

class AgentWeight(_message.Message):
    __slots__ = ("agent_id", "weight")
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    agent_id: str
    weight: int
    def __init__(self, agent_id: _Optional[str] = ..., weight: _Optional[int] = ...) -> None: ...

class SetWeightsRequest(_message.Message):
    __slots__ = ("shop_id", "weights", "etag")
    SHOP_ID_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    shop_id: str
    weights: _containers.RepeatedCompositeFieldContainer[AgentWeight]
    etag: str
    def __init__(self, shop_id: _Optional[str] = ..., weights: _Optional[_Iterable[_Union[AgentWeight, _Mapping]]] = ..., etag: _Optional[str] = ...) -> None: ...

class SetWeightsResponse(_message.Message):
    __slots__ = ("etag",)
    ETAG_FIELD_NUMBER: _ClassVar[int]
    etag: str
    def __init__(self, etag: _Optional[str] = ...) -> None: ...

class ApplyShopRequest(_message.Message):
    __slots__ = ("shop",)
    SHOP_FIELD_NUMBER: _ClassVar[int]
    shop: Shop
    def __init__(self, shop: _Optional[_Union[Shop, _Mapping]] = ...) -> None: ...

class ApplyShopResponse(_message.Message):
    __slots__ = ("shop", "changed")
    SHOP_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    shop: Shop
    changed: bool
    def __init__(self, shop: _Optional[_Union[Shop, _Mapping]] = ..., changed: _Optional[bool] = ...) -> None: ...

class ListAuditEntriesRequest(_message.Message):
    __slots__ = ("shop_id", "page_size", "page_token")
    SHOP_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    shop_id: str
    page_size: int
    page_token: str
    def __init__(self, shop_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListAuditEntriesResponse(_message.Message):
    __slots__ = ("entries", "next_page_token")
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[AuditEntry]
    next_page_token: str
    def __init__(self, entries: _Optional[_Iterable[_Union[AuditEntry, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class AuditEntry(_message.Message):
    __slots__ = ("change_id", "changed_at_ms", "actor", "before", "after", "undoes_change_id")
    CHANGE_ID_FIELD_NUMBER: _ClassVar[int]
    CHANGED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    UNDOES_CHANGE_ID_FIELD_NUMBER: _ClassVar[int]
    change_id: str
    changed_at_ms: int
    actor: str
    before: Shop
    after: Shop
    undoes_change_id: str
    def __init__(self, change_id: _Optional[str] = ..., changed_at_ms: _Optional[int] = ..., actor: _Optional[str] = ..., before: _Optional[_Union[Shop, _Mapping]] = ..., after: _Optional[_Union[Shop, _Mapping]] = ..., undoes_change_id: _Optional[str] = ...) -> None: ...

class UndoChangeRequest(_message.Message):
    __slots__ = ("shop_id", "change_id", "etag")
    SHOP_ID_FIELD_NUMBER: _ClassVar[int]
    CHANGE_ID_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    shop_id: str
    change_id: str
    etag: str
    def __init__(self, shop_id: _Optional[str] = ..., change_id: _Optional[str] = ..., etag: _Optional[str] = ...) -> None: ...

class UndoChangeResponse(_message.Message):
    __slots__ = ("shop",)
    SHOP_FIELD_NUMBER: _ClassVar[int]
    shop: Shop
    def __init__(self, shop: _Optional[_Union[Shop, _Mapping]] = ...) -> None: ...

class LintShopRequest(_message.Message):
    __slots__ = ("shop_id", "shop")
    SHOP_ID_FIELD_NUMBER: _ClassVar[int]
    SHOP_FIELD_NUMBER: _ClassVar[int]
    shop_id: str
    shop: Shop
    def __init__(self, shop_id: _Optional[str] = ..., shop: _Optional[_Union[Shop, _Mapping]] = ...) -> None: ...

class LintFinding(_message.Message):
    __slots__ = ("rule", "field", "message")
    RULE_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    rule: LintRule
    field: str
    message: str
    def __init__(self, rule: _Optional[_Union[LintRule, str]] = ..., field: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class LintShopResponse(_message.Message):
    __slots__ = ("findings",)
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    findings: _containers.RepeatedCompositeFieldContainer[LintFinding]
    def __init__(self, findings: _Optional[_Iterable[_Union[LintFinding, _Mapping]]] = ...) -> None: ...
