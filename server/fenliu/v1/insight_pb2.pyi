from fenliu.v1 import shop_pb2 as _shop_pb2
from fenliu.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CandidateReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CANDIDATE_REASON_UNSPECIFIED: _ClassVar[CandidateReason]
    CANDIDATE_REASON_TAKEN: _ClassVar[CandidateReason]
    CANDIDATE_REASON_OTHER_HAS_CONVERSATION: _ClassVar[CandidateReason]
    CANDIDATE_REASON_OTHER_IS_RECENT_CONTACT: _ClassVar[CandidateReason]
    CANDIDATE_REASON_OTHER_IS_DEDICATED: _ClassVar[CandidateReason]
    CANDIDATE_REASON_OTHER_IS_RECEIVER: _ClassVar[CandidateReason]
    CANDIDATE_REASON_ROBOT_COMES_FIRST: _ClassVar[CandidateReason]
    CANDIDATE_REASON_HANDED_OVER: _ClassVar[CandidateReason]
    CANDIDATE_REASON_EXCLUDED: _ClassVar[CandidateReason]
    CANDIDATE_REASON_IN_NO_GROUP: _ClassVar[CandidateReason]
    CANDIDATE_REASON_IN_OTHER_GROUPS: _ClassVar[CandidateReason]
    CANDIDATE_REASON_OFFLINE: _ClassVar[CandidateReason]
    CANDIDATE_REASON_SUSPENDED: _ClassVar[CandidateReason]
    CANDIDATE_REASON_WEIGHT_ZERO: _ClassVar[CandidateReason]
    CANDIDATE_REASON_AT_CAP: _ClassVar[CandidateReason]
    CANDIDATE_REASON_AT_DAILY_LIMIT: _ClassVar[CandidateReason]
    CANDIDATE_REASON_AT_HOURLY_LIMIT: _ClassVar[CandidateReason]
    CANDIDATE_REASON_BUSY: _ClassVar[CandidateReason]
    CANDIDATE_REASON_LATER_IN_LINE: _ClassVar[CandidateReason]

class ReportGrain(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REPORT_GRAIN_UNSPECIFIED: _ClassVar[ReportGrain]
    REPORT_GRAIN_HOUR: _ClassVar[ReportGrain]
    REPORT_GRAIN_DAY: _ClassVar[ReportGrain]
    REPORT_GRAIN_WINDOW: _ClassVar[ReportGrain]

class ReportSubject(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REPORT_SUBJECT_UNSPECIFIED: _ClassVar[ReportSubject]
    REPORT_SUBJECT_AGENT: _ClassVar[ReportSubject]
    REPORT_SUBJECT_GROUP: _ClassVar[ReportSubject]
    REPORT_SUBJECT_SHOP: _ClassVar[ReportSubject]

class KpiState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    KPI_STATE_UNSPECIFIED: _ClassVar[KpiState]
    KPI_STATE_KNOWN: _ClassVar[KpiState]
    KPI_STATE_UNDEFINED: _ClassVar[KpiState]
    KPI_STATE_NOT_YET_KNOWN: _ClassVar[KpiState]

class KpiUnit(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    KPI_UNIT_UNSPECIFIED: _ClassVar[KpiUnit]
    KPI_UNIT_COUNT: _ClassVar[KpiUnit]
    KPI_UNIT_RATIO: _ClassVar[KpiUnit]
    KPI_UNIT_MILLISECONDS: _ClassVar[KpiUnit]
    KPI_UNIT_CENTS: _ClassVar[KpiUnit]

class ImbalanceCause(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    IMBALANCE_CAUSE_UNSPECIFIED: _ClassVar[ImbalanceCause]
    IMBALANCE_CAUSE_ONLINE_TIME: _ClassVar[ImbalanceCause]
    IMBALANCE_CAUSE_TIME_SLOT: _ClassVar[ImbalanceCause]
    IMBALANCE_CAUSE_WEIGHT: _ClassVar[ImbalanceCause]
    IMBALANCE_CAUSE_GROUPS: _ClassVar[ImbalanceCause]
    IMBALANCE_CAUSE_RECENT_CONTACTS: _ClassVar[ImbalanceCause]
    IMBALANCE_CAUSE_PROXY: _ClassVar[ImbalanceCause]
    IMBALANCE_CAUSE_BUSYNESS: _ClassVar[ImbalanceCause]
    IMBALANCE_CAUSE_REST: _ClassVar[ImbalanceCause]

class ReplyModel(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REPLY_MODEL_UNSPECIFIED: _ClassVar[ReplyModel]
    REPLY_MODEL_AS_RECORDED: _ClassVar[ReplyModel]
    REPLY_MODEL_DRAWN: _ClassVar[ReplyModel]

class StaffingModel(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STAFFING_MODEL_UNSPECIFIED: _ClassVar[StaffingModel]
    STAFFING_MODEL_ERLANG_C: _ClassVar[StaffingModel]
    STAFFING_MODEL_ERLANG_A: _ClassVar[StaffingModel]
    STAFFING_MODEL_SIMULATION: _ClassVar[StaffingModel]

class Guidance(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GUIDANCE_UNSPECIFIED: _ClassVar[Guidance]
    GUIDANCE_WITHIN: _ClassVar[Guidance]
    GUIDANCE_MORE_AGENTS: _ClassVar[Guidance]
    GUIDANCE_FEWER_AGENTS: _ClassVar[Guidance]
CANDIDATE_REASON_UNSPECIFIED: CandidateReason
CANDIDATE_REASON_TAKEN: CandidateReason
CANDIDATE_REASON_OTHER_HAS_CONVERSATION: CandidateReason
CANDIDATE_REASON_OTHER_IS_RECENT_CONTACT: CandidateReason
CANDIDATE_REASON_OTHER_IS_DEDICATED: CandidateReason
CANDIDATE_REASON_OTHER_IS_RECEIVER: CandidateReason
CANDIDATE_REASON_ROBOT_COMES_FIRST: CandidateReason
CANDIDATE_REASON_HANDED_OVER: CandidateReason
CANDIDATE_REASON_EXCLUDED: CandidateReason
CANDIDATE_REASON_IN_NO_GROUP: CandidateReason
CANDIDATE_REASON_IN_OTHER_GROUPS: CandidateReason
CANDIDATE_REASON_OFFLINE: CandidateReason
CANDIDATE_REASON_SUSPENDED: CandidateReason
CANDIDATE_REASON_WEIGHT_ZERO: CandidateReason
CANDIDATE_REASON_AT_CAP: CandidateReason
CANDIDATE_REASON_AT_DAILY_LIMIT: CandidateReason
CANDIDATE_REASON_AT_HOURLY_LIMIT: CandidateReason
CANDIDATE_REASON_BUSY: CandidateReason
CANDIDATE_REASON_LATER_IN_LINE: CandidateReason
REPORT_GRAIN_UNSPECIFIED: ReportGrain
REPORT_GRAIN_HOUR: ReportGrain
REPORT_GRAIN_DAY: ReportGrain
REPORT_GRAIN_WINDOW: ReportGrain
REPORT_SUBJECT_UNSPECIFIED: ReportSubject
REPORT_SUBJECT_AGENT: ReportSubject
REPORT_SUBJECT_GROUP: ReportSubject
REPORT_SUBJECT_SHOP: ReportSubject
KPI_STATE_UNSPECIFIED: KpiState
KPI_STATE_KNOWN: KpiState
KPI_STATE_UNDEFINED: KpiState
KPI_STATE_NOT_YET_KNOWN: KpiState
KPI_UNIT_UNSPECIFIED: KpiUnit
KPI_UNIT_COUNT: KpiUnit
KPI_UNIT_RATIO: KpiUnit
KPI_UNIT_MILLISECONDS: KpiUnit
KPI_UNIT_CENTS: KpiUnit
IMBALANCE_CAUSE_UNSPECIFIED: ImbalanceCause
IMBALANCE_CAUSE_ONLINE_TIME: ImbalanceCause
IMBALANCE_CAUSE_TIME_SLOT: ImbalanceCause
IMBALANCE_CAUSE_WEIGHT: ImbalanceCause
IMBALANCE_CAUSE_GROUPS: ImbalanceCause
IMBALANCE_CAUSE_RECENT_CONTACTS: ImbalanceCause
IMBALANCE_CAUSE_PROXY: ImbalanceCause
IMBALANCE_CAUSE_BUSYNESS: ImbalanceCause
IMBALANCE_CAUSE_REST: ImbalanceCause
REPLY_MODEL_UNSPECIFIED: ReplyModel
REPLY_MODEL_AS_RECORDED: ReplyModel
REPLY_MODEL_DRAWN: ReplyModel
STAFFING_MODEL_UNSPECIFIED: StaffingModel
STAFFING_MODEL_ERLANG_C: StaffingModel
STAFFING_MODEL_ERLANG_A: StaffingModel
STAFFING_MODEL_SIMULATION: StaffingModel
GUIDANCE_UNSPECIFIED: Guidance
GUIDANCE_WITHIN: Guidance
GUIDANCE_MORE_AGENTS: Guidance
GUIDANCE_FEWER_AGENTS: Guidance

class Window(_message.Message):
    __slots__ = ("start_ms", "end_ms")
    START_MS_FIELD_NUMBER: _ClassVar[int]
    END_MS_FIELD_NUMBER: _ClassVar[int]
    start_ms: int
    end_ms: int
    def __init__(self, start_ms: _Optional[int] = ..., end_ms: _Optional[int] = ...) -> None: ...

class ExplainDecisionRequest(_message.Message):
    __slots__ = ("shop_id", "decision_id", "why_not_agent_id", "language")
    SHOP_ID_FIELD_NUMBER: _ClassVar[int]
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    WHY_NOT_AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    shop_id: str
    decision_id: str
    why_not_agent_id: str
    language: _types_pb2.Language
    def __init__(self, shop_id: _Optional[str] = ..., decision_id: _Optional[str] = ..., why_not_agent_id: _Optional[str] = ..., language: _Optional[_Union[_types_pb2.Language, str]] = ...) -> None: ...

class Candidate(_message.Message):
    __slots__ = ("agent_id", "status", "weight", "awaiting", "effective_weight", "place", "chosen", "reason", "text", "display_name", "open_conversations", "cap", "received_today", "daily_limit", "received_this_hour", "hourly_limit", "group_ids")
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    AWAITING_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_WEIGHT_FIELD_NUMBER: _ClassVar[int]
    PLACE_FIELD_NUMBER: _ClassVar[int]
    CHOSEN_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    OPEN_CONVERSATIONS_FIELD_NUMBER: _ClassVar[int]
    CAP_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_TODAY_FIELD_NUMBER: _ClassVar[int]
    DAILY_LIMIT_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_THIS_HOUR_FIELD_NUMBER: _ClassVar[int]
    HOURLY_LIMIT_FIELD_NUMBER: _ClassVar[int]
    GROUP_IDS_FIELD_NUMBER: _ClassVar[int]
    agent_id: str
    status: _types_pb2.PresenceStatus
    weight: int
    awaiting: int
    effective_weight: int
    place: int
    chosen: bool
    reason: CandidateReason
    text: str
    display_name: str
    open_conversations: int
    cap: int
    received_today: int
    daily_limit: int
    received_this_hour: int
    hourly_limit: int
    group_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, agent_id: _Optional[str] = ..., status: _Optional[_Union[_types_pb2.PresenceStatus, str]] = ..., weight: _Optional[int] = ..., awaiting: _Optional[int] = ..., effective_weight: _Optional[int] = ..., place: _Optional[int] = ..., chosen: _Optional[bool] = ..., reason: _Optional[_Union[CandidateReason, str]] = ..., text: _Optional[str] = ..., display_name: _Optional[str] = ..., open_conversations: _Optional[int] = ..., cap: _Optional[int] = ..., received_today: _Optional[int] = ..., daily_limit: _Optional[int] = ..., received_this_hour: _Optional[int] = ..., hourly_limit: _Optional[int] = ..., group_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class DecisionStep(_message.Message):
    __slots__ = ("step", "decided", "text", "group_ids", "agent_id")
    STEP_FIELD_NUMBER: _ClassVar[int]
    DECIDED_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    GROUP_IDS_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    step: int
    decided: bool
    text: str
    group_ids: _containers.RepeatedScalarFieldContainer[str]
    agent_id: str
    def __init__(self, step: _Optional[int] = ..., decided: _Optional[bool] = ..., text: _Optional[str] = ..., group_ids: _Optional[_Iterable[str]] = ..., agent_id: _Optional[str] = ...) -> None: ...

class ExplainDecisionResponse(_message.Message):
    __slots__ = ("decision", "steps", "candidates", "text", "why_not")
    DECISION_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    WHY_NOT_FIELD_NUMBER: _ClassVar[int]
    decision: RouteResponseRecord
    steps: _containers.RepeatedCompositeFieldContainer[DecisionStep]
    candidates: _containers.RepeatedCompositeFieldContainer[Candidate]
    text: str
    why_not: Candidate
    def __init__(self, decision: _Optional[_Union[RouteResponseRecord, _Mapping]] = ..., steps: _Optional[_Iterable[_Union[DecisionStep, _Mapping]]] = ..., candidates: _Optional[_Iterable[_Union[Candidate, _Mapping]]] = ..., text: _Optional[str] = ..., why_not: _Optional[_Union[Candidate, _Mapping]] = ...) -> None: ...

class RouteResponseRecord(_message.Message):
    __slots__ = ("decision_id", "decided_at_ms", "buyer_id", "outcome", "reason", "agent_id", "group_id", "conversation_id")
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    DECIDED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    BUYER_ID_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    CONVERSATION_ID_FIELD_NUMBER: _ClassVar[int]
    decision_id: str
    decided_at_ms: int
    buyer_id: str
    outcome: _types_pb2.Outcome
    reason: _types_pb2.Reason
    agent_id: str
    group_id: str
    conversation_id: str
    def __init__(self, decision_id: _Optional[str] = ..., decided_at_ms: _Optional[int] = ..., buyer_id: _Optional[str] = ..., outcome: _Optional[_Union[_types_pb2.Outcome, str]] = ..., reason: _Optional[_Union[_types_pb2.Reason, str]] = ..., agent_id: _Optional[str] = ..., group_id: _Optional[str] = ..., conversation_id: _Optional[str] = ...) -> None: ...

class DecisionFilter(_message.Message):
    __slots__ = ("agent_ids", "reasons", "outcomes", "buyer_id")
    AGENT_IDS_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    OUTCOMES_FIELD_NUMBER: _ClassVar[int]
    BUYER_ID_FIELD_NUMBER: _ClassVar[int]
    agent_ids: _containers.RepeatedScalarFieldContainer[str]
    reasons: _containers.RepeatedScalarFieldContainer[_types_pb2.Reason]
    outcomes: _containers.RepeatedScalarFieldContainer[_types_pb2.Outcome]
    buyer_id: str
    def __init__(self, agent_ids: _Optional[_Iterable[str]] = ..., reasons: _Optional[_Iterable[_Union[_types_pb2.Reason, str]]] = ..., outcomes: _Optional[_Iterable[_Union[_types_pb2.Outcome, str]]] = ..., buyer_id: _Optional[str] = ...) -> None: ...

class ListDecisionsRequest(_message.Message):
    __slots__ = ("shop_id", "window", "filter", "page_size", "page_token")
    SHOP_ID_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    shop_id: str
    window: Window
    filter: DecisionFilter
    page_size: int
    page_token: str
    def __init__(self, shop_id: _Optional[str] = ..., window: _Optional[_Union[Window, _Mapping]] = ..., filter: _Optional[_Union[DecisionFilter, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListDecisionsResponse(_message.Message):
    __slots__ = ("decisions", "next_page_token")
    DECISIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    decisions: _containers.RepeatedCompositeFieldContainer[RouteResponseRecord]
    next_page_token: str
    def __init__(self, decisions: _Optional[_Iterable[_Union[RouteResponseRecord, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class SummarizeDecisionsRequest(_message.Message):
    __slots__ = ("shop_id", "window", "filter", "sample_size", "seed")
    SHOP_ID_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_SIZE_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    shop_id: str
    window: Window
    filter: DecisionFilter
    sample_size: int
    seed: int
    def __init__(self, shop_id: _Optional[str] = ..., window: _Optional[_Union[Window, _Mapping]] = ..., filter: _Optional[_Union[DecisionFilter, _Mapping]] = ..., sample_size: _Optional[int] = ..., seed: _Optional[int] = ...) -> None: ...

class DecisionCount(_message.Message):
    __slots__ = ("agent_id", "outcome", "reason", "decisions")
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    DECISIONS_FIELD_NUMBER: _ClassVar[int]
    agent_id: str
    outcome: _types_pb2.Outcome
    reason: _types_pb2.Reason
    decisions: int
    def __init__(self, agent_id: _Optional[str] = ..., outcome: _Optional[_Union[_types_pb2.Outcome, str]] = ..., reason: _Optional[_Union[_types_pb2.Reason, str]] = ..., decisions: _Optional[int] = ...) -> None: ...

class SummarizeDecisionsResponse(_message.Message):
    __slots__ = ("decisions", "counts", "sample")
    DECISIONS_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_FIELD_NUMBER: _ClassVar[int]
    decisions: int
    counts: _containers.RepeatedCompositeFieldContainer[DecisionCount]
    sample: _containers.RepeatedCompositeFieldContainer[RouteResponseRecord]
    def __init__(self, decisions: _Optional[int] = ..., counts: _Optional[_Iterable[_Union[DecisionCount, _Mapping]]] = ..., sample: _Optional[_Iterable[_Union[RouteResponseRecord, _Mapping]]] = ...) -> None: ...

class GetReceptionReportRequest(_message.Message):
    __slots__ = ("shop_id", "window", "grain", "subject", "subject_ids", "language")
    SHOP_ID_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    GRAIN_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_IDS_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    shop_id: str
    window: Window
    grain: ReportGrain
    subject: ReportSubject
    subject_ids: _containers.RepeatedScalarFieldContainer[str]
    language: _types_pb2.Language
    def __init__(self, shop_id: _Optional[str] = ..., window: _Optional[_Union[Window, _Mapping]] = ..., grain: _Optional[_Union[ReportGrain, str]] = ..., subject: _Optional[_Union[ReportSubject, str]] = ..., subject_ids: _Optional[_Iterable[str]] = ..., language: _Optional[_Union[_types_pb2.Language, str]] = ...) -> None: ...

class Kpi(_message.Message):
    __slots__ = ("name", "state", "numerator", "denominator", "known_at_ms")
    NAME_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    NUMERATOR_FIELD_NUMBER: _ClassVar[int]
    DENOMINATOR_FIELD_NUMBER: _ClassVar[int]
    KNOWN_AT_MS_FIELD_NUMBER: _ClassVar[int]
    name: str
    state: KpiState
    numerator: int
    denominator: int
    known_at_ms: int
    def __init__(self, name: _Optional[str] = ..., state: _Optional[_Union[KpiState, str]] = ..., numerator: _Optional[int] = ..., denominator: _Optional[int] = ..., known_at_ms: _Optional[int] = ...) -> None: ...

class KpiColumn(_message.Message):
    __slots__ = ("name", "title", "unit")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    name: str
    title: str
    unit: KpiUnit
    def __init__(self, name: _Optional[str] = ..., title: _Optional[str] = ..., unit: _Optional[_Union[KpiUnit, str]] = ...) -> None: ...

class ReportRow(_message.Message):
    __slots__ = ("subject_id", "window", "kpis")
    SUBJECT_ID_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    KPIS_FIELD_NUMBER: _ClassVar[int]
    subject_id: str
    window: Window
    kpis: _containers.RepeatedCompositeFieldContainer[Kpi]
    def __init__(self, subject_id: _Optional[str] = ..., window: _Optional[_Union[Window, _Mapping]] = ..., kpis: _Optional[_Iterable[_Union[Kpi, _Mapping]]] = ...) -> None: ...

class GetReceptionReportResponse(_message.Message):
    __slots__ = ("rows", "columns", "as_of_ms")
    ROWS_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    AS_OF_MS_FIELD_NUMBER: _ClassVar[int]
    rows: _containers.RepeatedCompositeFieldContainer[ReportRow]
    columns: _containers.RepeatedCompositeFieldContainer[KpiColumn]
    as_of_ms: int
    def __init__(self, rows: _Optional[_Iterable[_Union[ReportRow, _Mapping]]] = ..., columns: _Optional[_Iterable[_Union[KpiColumn, _Mapping]]] = ..., as_of_ms: _Optional[int] = ...) -> None: ...

class DiagnoseImbalanceRequest(_message.Message):
    __slots__ = ("shop_id", "window", "agent_id", "other_agent_id", "language")
    SHOP_ID_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    OTHER_AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    shop_id: str
    window: Window
    agent_id: str
    other_agent_id: str
    language: _types_pb2.Language
    def __init__(self, shop_id: _Optional[str] = ..., window: _Optional[_Union[Window, _Mapping]] = ..., agent_id: _Optional[str] = ..., other_agent_id: _Optional[str] = ..., language: _Optional[_Union[_types_pb2.Language, str]] = ...) -> None: ...

class DiagnoseImbalanceStreamRequest(_message.Message):
    __slots__ = ("diagnose",)
    DIAGNOSE_FIELD_NUMBER: _ClassVar[int]
    diagnose: DiagnoseImbalanceRequest
    def __init__(self, diagnose: _Optional[_Union[DiagnoseImbalanceRequest, _Mapping]] = ...) -> None: ...

class DiagnoseImbalanceStreamResponse(_message.Message):
    __slots__ = ("progress", "result")
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    progress: DiagnoseImbalanceProgress
    result: DiagnoseImbalanceResponse
    def __init__(self, progress: _Optional[_Union[DiagnoseImbalanceProgress, _Mapping]] = ..., result: _Optional[_Union[DiagnoseImbalanceResponse, _Mapping]] = ...) -> None: ...

class DiagnoseImbalanceProgress(_message.Message):
    __slots__ = ("done", "total")
    DONE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    done: int
    total: int
    def __init__(self, done: _Optional[int] = ..., total: _Optional[int] = ...) -> None: ...

class CauseShare(_message.Message):
    __slots__ = ("cause", "share_numerator", "share_denominator", "advice", "title", "finding", "figures")
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    SHARE_NUMERATOR_FIELD_NUMBER: _ClassVar[int]
    SHARE_DENOMINATOR_FIELD_NUMBER: _ClassVar[int]
    ADVICE_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    FINDING_FIELD_NUMBER: _ClassVar[int]
    FIGURES_FIELD_NUMBER: _ClassVar[int]
    cause: ImbalanceCause
    share_numerator: int
    share_denominator: int
    advice: str
    title: str
    finding: str
    figures: _containers.RepeatedCompositeFieldContainer[CauseFigure]
    def __init__(self, cause: _Optional[_Union[ImbalanceCause, str]] = ..., share_numerator: _Optional[int] = ..., share_denominator: _Optional[int] = ..., advice: _Optional[str] = ..., title: _Optional[str] = ..., finding: _Optional[str] = ..., figures: _Optional[_Iterable[_Union[CauseFigure, _Mapping]]] = ...) -> None: ...

class CauseFigure(_message.Message):
    __slots__ = ("name", "title", "unit", "of_agent", "of_other", "of_other_parts")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    OF_AGENT_FIELD_NUMBER: _ClassVar[int]
    OF_OTHER_FIELD_NUMBER: _ClassVar[int]
    OF_OTHER_PARTS_FIELD_NUMBER: _ClassVar[int]
    name: str
    title: str
    unit: KpiUnit
    of_agent: int
    of_other: int
    of_other_parts: int
    def __init__(self, name: _Optional[str] = ..., title: _Optional[str] = ..., unit: _Optional[_Union[KpiUnit, str]] = ..., of_agent: _Optional[int] = ..., of_other: _Optional[int] = ..., of_other_parts: _Optional[int] = ...) -> None: ...

class DiagnoseImbalanceResponse(_message.Message):
    __slots__ = ("difference", "shares", "difference_denominator", "receptions", "other_receptions", "compared_agent_ids", "summary", "as_of_ms", "inquiries", "plays")
    DIFFERENCE_FIELD_NUMBER: _ClassVar[int]
    SHARES_FIELD_NUMBER: _ClassVar[int]
    DIFFERENCE_DENOMINATOR_FIELD_NUMBER: _ClassVar[int]
    RECEPTIONS_FIELD_NUMBER: _ClassVar[int]
    OTHER_RECEPTIONS_FIELD_NUMBER: _ClassVar[int]
    COMPARED_AGENT_IDS_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    AS_OF_MS_FIELD_NUMBER: _ClassVar[int]
    INQUIRIES_FIELD_NUMBER: _ClassVar[int]
    PLAYS_FIELD_NUMBER: _ClassVar[int]
    difference: int
    shares: _containers.RepeatedCompositeFieldContainer[CauseShare]
    difference_denominator: int
    receptions: int
    other_receptions: int
    compared_agent_ids: _containers.RepeatedScalarFieldContainer[str]
    summary: str
    as_of_ms: int
    inquiries: int
    plays: int
    def __init__(self, difference: _Optional[int] = ..., shares: _Optional[_Iterable[_Union[CauseShare, _Mapping]]] = ..., difference_denominator: _Optional[int] = ..., receptions: _Optional[int] = ..., other_receptions: _Optional[int] = ..., compared_agent_ids: _Optional[_Iterable[str]] = ..., summary: _Optional[str] = ..., as_of_ms: _Optional[int] = ..., inquiries: _Optional[int] = ..., plays: _Optional[int] = ...) -> None: ...

class AgentShifts(_message.Message):
    __slots__ = ("agent_id", "online", "suspended", "as_agent_id")
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    ONLINE_FIELD_NUMBER: _ClassVar[int]
    SUSPENDED_FIELD_NUMBER: _ClassVar[int]
    AS_AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    agent_id: str
    online: _containers.RepeatedCompositeFieldContainer[Window]
    suspended: _containers.RepeatedCompositeFieldContainer[Window]
    as_agent_id: str
    def __init__(self, agent_id: _Optional[str] = ..., online: _Optional[_Iterable[_Union[Window, _Mapping]]] = ..., suspended: _Optional[_Iterable[_Union[Window, _Mapping]]] = ..., as_agent_id: _Optional[str] = ...) -> None: ...

class SimulateRequest(_message.Message):
    __slots__ = ("shop_id", "window", "changed_shop", "seed", "repetitions", "replies", "shifts", "grain", "subject", "language")
    SHOP_ID_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    CHANGED_SHOP_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    REPETITIONS_FIELD_NUMBER: _ClassVar[int]
    REPLIES_FIELD_NUMBER: _ClassVar[int]
    SHIFTS_FIELD_NUMBER: _ClassVar[int]
    GRAIN_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    shop_id: str
    window: Window
    changed_shop: _shop_pb2.Shop
    seed: int
    repetitions: int
    replies: ReplyModel
    shifts: _containers.RepeatedCompositeFieldContainer[AgentShifts]
    grain: ReportGrain
    subject: ReportSubject
    language: _types_pb2.Language
    def __init__(self, shop_id: _Optional[str] = ..., window: _Optional[_Union[Window, _Mapping]] = ..., changed_shop: _Optional[_Union[_shop_pb2.Shop, _Mapping]] = ..., seed: _Optional[int] = ..., repetitions: _Optional[int] = ..., replies: _Optional[_Union[ReplyModel, str]] = ..., shifts: _Optional[_Iterable[_Union[AgentShifts, _Mapping]]] = ..., grain: _Optional[_Union[ReportGrain, str]] = ..., subject: _Optional[_Union[ReportSubject, str]] = ..., language: _Optional[_Union[_types_pb2.Language, str]] = ...) -> None: ...

class KpiDifference(_message.Message):
    __slots__ = ("name", "state", "numerator", "denominator")
    NAME_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    NUMERATOR_FIELD_NUMBER: _ClassVar[int]
    DENOMINATOR_FIELD_NUMBER: _ClassVar[int]
    name: str
    state: KpiState
    numerator: int
    denominator: int
    def __init__(self, name: _Optional[str] = ..., state: _Optional[_Union[KpiState, str]] = ..., numerator: _Optional[int] = ..., denominator: _Optional[int] = ...) -> None: ...

class DifferenceRow(_message.Message):
    __slots__ = ("subject_id", "window", "kpis")
    SUBJECT_ID_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    KPIS_FIELD_NUMBER: _ClassVar[int]
    subject_id: str
    window: Window
    kpis: _containers.RepeatedCompositeFieldContainer[KpiDifference]
    def __init__(self, subject_id: _Optional[str] = ..., window: _Optional[_Union[Window, _Mapping]] = ..., kpis: _Optional[_Iterable[_Union[KpiDifference, _Mapping]]] = ...) -> None: ...

class KpiInterval(_message.Message):
    __slots__ = ("name", "low", "high")
    NAME_FIELD_NUMBER: _ClassVar[int]
    LOW_FIELD_NUMBER: _ClassVar[int]
    HIGH_FIELD_NUMBER: _ClassVar[int]
    name: str
    low: Kpi
    high: Kpi
    def __init__(self, name: _Optional[str] = ..., low: _Optional[_Union[Kpi, _Mapping]] = ..., high: _Optional[_Union[Kpi, _Mapping]] = ...) -> None: ...

class IntervalRow(_message.Message):
    __slots__ = ("subject_id", "window", "kpis")
    SUBJECT_ID_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    KPIS_FIELD_NUMBER: _ClassVar[int]
    subject_id: str
    window: Window
    kpis: _containers.RepeatedCompositeFieldContainer[KpiInterval]
    def __init__(self, subject_id: _Optional[str] = ..., window: _Optional[_Union[Window, _Mapping]] = ..., kpis: _Optional[_Iterable[_Union[KpiInterval, _Mapping]]] = ...) -> None: ...

class DecisionCounts(_message.Message):
    __slots__ = ("inquiries", "same", "other_receiver")
    INQUIRIES_FIELD_NUMBER: _ClassVar[int]
    SAME_FIELD_NUMBER: _ClassVar[int]
    OTHER_RECEIVER_FIELD_NUMBER: _ClassVar[int]
    inquiries: int
    same: int
    other_receiver: int
    def __init__(self, inquiries: _Optional[int] = ..., same: _Optional[int] = ..., other_receiver: _Optional[int] = ...) -> None: ...

class LeftOut(_message.Message):
    __slots__ = ("command", "reason", "count")
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    command: str
    reason: str
    count: int
    def __init__(self, command: _Optional[str] = ..., reason: _Optional[str] = ..., count: _Optional[int] = ...) -> None: ...

class SimulateResponse(_message.Message):
    __slots__ = ("recorded", "simulated", "assumptions", "columns", "differences", "intervals", "decisions", "left_out", "findings", "as_of_ms")
    RECORDED_FIELD_NUMBER: _ClassVar[int]
    SIMULATED_FIELD_NUMBER: _ClassVar[int]
    ASSUMPTIONS_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    DIFFERENCES_FIELD_NUMBER: _ClassVar[int]
    INTERVALS_FIELD_NUMBER: _ClassVar[int]
    DECISIONS_FIELD_NUMBER: _ClassVar[int]
    LEFT_OUT_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    AS_OF_MS_FIELD_NUMBER: _ClassVar[int]
    recorded: _containers.RepeatedCompositeFieldContainer[ReportRow]
    simulated: _containers.RepeatedCompositeFieldContainer[ReportRow]
    assumptions: _containers.RepeatedScalarFieldContainer[str]
    columns: _containers.RepeatedCompositeFieldContainer[KpiColumn]
    differences: _containers.RepeatedCompositeFieldContainer[DifferenceRow]
    intervals: _containers.RepeatedCompositeFieldContainer[IntervalRow]
    decisions: DecisionCounts
    left_out: int
    findings: _containers.RepeatedCompositeFieldContainer[_shop_pb2.LintFinding]
    as_of_ms: int
    def __init__(self, recorded: _Optional[_Iterable[_Union[ReportRow, _Mapping]]] = ..., simulated: _Optional[_Iterable[_Union[ReportRow, _Mapping]]] = ..., assumptions: _Optional[_Iterable[str]] = ..., columns: _Optional[_Iterable[_Union[KpiColumn, _Mapping]]] = ..., differences: _Optional[_Iterable[_Union[DifferenceRow, _Mapping]]] = ..., intervals: _Optional[_Iterable[_Union[IntervalRow, _Mapping]]] = ..., decisions: _Optional[_Union[DecisionCounts, _Mapping]] = ..., left_out: _Optional[int] = ..., findings: _Optional[_Iterable[_Union[_shop_pb2.LintFinding, _Mapping]]] = ..., as_of_ms: _Optional[int] = ...) -> None: ...

class SimulateStreamRequest(_message.Message):
    __slots__ = ("simulate",)
    SIMULATE_FIELD_NUMBER: _ClassVar[int]
    simulate: SimulateRequest
    def __init__(self, simulate: _Optional[_Union[SimulateRequest, _Mapping]] = ...) -> None: ...

class SimulateStreamResponse(_message.Message):
    __slots__ = ("progress", "result")
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    progress: SimulateProgress
    result: SimulateResponse
    def __init__(self, progress: _Optional[_Union[SimulateProgress, _Mapping]] = ..., result: _Optional[_Union[SimulateResponse, _Mapping]] = ...) -> None: ...

class SimulateProgress(_message.Message):
    __slots__ = ("done", "total")
    DONE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    done: int
    total: int
    def __init__(self, done: _Optional[int] = ..., total: _Optional[int] = ...) -> None: ...

class WatchShadowRequest(_message.Message):
    __slots__ = ("candidate_shop", "since_ms", "language")
    CANDIDATE_SHOP_FIELD_NUMBER: _ClassVar[int]
    SINCE_MS_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    candidate_shop: _shop_pb2.Shop
    since_ms: int
    language: _types_pb2.Language
    def __init__(self, candidate_shop: _Optional[_Union[_shop_pb2.Shop, _Mapping]] = ..., since_ms: _Optional[int] = ..., language: _Optional[_Union[_types_pb2.Language, str]] = ...) -> None: ...

class ShadowDecision(_message.Message):
    __slots__ = ("outcome", "reason", "agent_id", "group_id")
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    outcome: _types_pb2.Outcome
    reason: _types_pb2.Reason
    agent_id: str
    group_id: str
    def __init__(self, outcome: _Optional[_Union[_types_pb2.Outcome, str]] = ..., reason: _Optional[_Union[_types_pb2.Reason, str]] = ..., agent_id: _Optional[str] = ..., group_id: _Optional[str] = ...) -> None: ...

class ShadowDifference(_message.Message):
    __slots__ = ("at_ms", "buyer_id", "inquiry", "decision_id", "live", "shadow")
    AT_MS_FIELD_NUMBER: _ClassVar[int]
    BUYER_ID_FIELD_NUMBER: _ClassVar[int]
    INQUIRY_FIELD_NUMBER: _ClassVar[int]
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    LIVE_FIELD_NUMBER: _ClassVar[int]
    SHADOW_FIELD_NUMBER: _ClassVar[int]
    at_ms: int
    buyer_id: str
    inquiry: bool
    decision_id: str
    live: ShadowDecision
    shadow: ShadowDecision
    def __init__(self, at_ms: _Optional[int] = ..., buyer_id: _Optional[str] = ..., inquiry: _Optional[bool] = ..., decision_id: _Optional[str] = ..., live: _Optional[_Union[ShadowDecision, _Mapping]] = ..., shadow: _Optional[_Union[ShadowDecision, _Mapping]] = ...) -> None: ...

class ShadowAgent(_message.Message):
    __slots__ = ("agent_id", "live_received", "shadow_received")
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    LIVE_RECEIVED_FIELD_NUMBER: _ClassVar[int]
    SHADOW_RECEIVED_FIELD_NUMBER: _ClassVar[int]
    agent_id: str
    live_received: int
    shadow_received: int
    def __init__(self, agent_id: _Optional[str] = ..., live_received: _Optional[int] = ..., shadow_received: _Optional[int] = ...) -> None: ...

class ShadowSums(_message.Message):
    __slots__ = ("since_ms", "up_to_ms", "inquiries", "live_waiting", "shadow_waiting", "live_robot", "shadow_robot", "agents", "left_out", "differences", "live_etag")
    SINCE_MS_FIELD_NUMBER: _ClassVar[int]
    UP_TO_MS_FIELD_NUMBER: _ClassVar[int]
    INQUIRIES_FIELD_NUMBER: _ClassVar[int]
    LIVE_WAITING_FIELD_NUMBER: _ClassVar[int]
    SHADOW_WAITING_FIELD_NUMBER: _ClassVar[int]
    LIVE_ROBOT_FIELD_NUMBER: _ClassVar[int]
    SHADOW_ROBOT_FIELD_NUMBER: _ClassVar[int]
    AGENTS_FIELD_NUMBER: _ClassVar[int]
    LEFT_OUT_FIELD_NUMBER: _ClassVar[int]
    DIFFERENCES_FIELD_NUMBER: _ClassVar[int]
    LIVE_ETAG_FIELD_NUMBER: _ClassVar[int]
    since_ms: int
    up_to_ms: int
    inquiries: DecisionCounts
    live_waiting: int
    shadow_waiting: int
    live_robot: int
    shadow_robot: int
    agents: _containers.RepeatedCompositeFieldContainer[ShadowAgent]
    left_out: _containers.RepeatedCompositeFieldContainer[LeftOut]
    differences: int
    live_etag: str
    def __init__(self, since_ms: _Optional[int] = ..., up_to_ms: _Optional[int] = ..., inquiries: _Optional[_Union[DecisionCounts, _Mapping]] = ..., live_waiting: _Optional[int] = ..., shadow_waiting: _Optional[int] = ..., live_robot: _Optional[int] = ..., shadow_robot: _Optional[int] = ..., agents: _Optional[_Iterable[_Union[ShadowAgent, _Mapping]]] = ..., left_out: _Optional[_Iterable[_Union[LeftOut, _Mapping]]] = ..., differences: _Optional[int] = ..., live_etag: _Optional[str] = ...) -> None: ...

class WatchShadowResponse(_message.Message):
    __slots__ = ("differences", "sums", "findings", "live_changed", "caught_up")
    DIFFERENCES_FIELD_NUMBER: _ClassVar[int]
    SUMS_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    LIVE_CHANGED_FIELD_NUMBER: _ClassVar[int]
    CAUGHT_UP_FIELD_NUMBER: _ClassVar[int]
    differences: _containers.RepeatedCompositeFieldContainer[ShadowDifference]
    sums: ShadowSums
    findings: _containers.RepeatedCompositeFieldContainer[_shop_pb2.LintFinding]
    live_changed: bool
    caught_up: bool
    def __init__(self, differences: _Optional[_Iterable[_Union[ShadowDifference, _Mapping]]] = ..., sums: _Optional[_Union[ShadowSums, _Mapping]] = ..., findings: _Optional[_Iterable[_Union[_shop_pb2.LintFinding, _Mapping]]] = ..., live_changed: _Optional[bool] = ..., caught_up: _Optional[bool] = ...) -> None: ...

class PlanStaffingRequest(_message.Message):
    __slots__ = ("shop_id", "window", "target_percent", "target_ms", "concurrency", "multiplier_percent", "shape_window", "patience_ms", "model", "most_agents", "seed", "language")
    SHOP_ID_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    TARGET_PERCENT_FIELD_NUMBER: _ClassVar[int]
    TARGET_MS_FIELD_NUMBER: _ClassVar[int]
    CONCURRENCY_FIELD_NUMBER: _ClassVar[int]
    MULTIPLIER_PERCENT_FIELD_NUMBER: _ClassVar[int]
    SHAPE_WINDOW_FIELD_NUMBER: _ClassVar[int]
    PATIENCE_MS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MOST_AGENTS_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    shop_id: str
    window: Window
    target_percent: int
    target_ms: int
    concurrency: int
    multiplier_percent: int
    shape_window: Window
    patience_ms: int
    model: StaffingModel
    most_agents: int
    seed: int
    language: _types_pb2.Language
    def __init__(self, shop_id: _Optional[str] = ..., window: _Optional[_Union[Window, _Mapping]] = ..., target_percent: _Optional[int] = ..., target_ms: _Optional[int] = ..., concurrency: _Optional[int] = ..., multiplier_percent: _Optional[int] = ..., shape_window: _Optional[_Union[Window, _Mapping]] = ..., patience_ms: _Optional[int] = ..., model: _Optional[_Union[StaffingModel, str]] = ..., most_agents: _Optional[int] = ..., seed: _Optional[int] = ..., language: _Optional[_Union[_types_pb2.Language, str]] = ...) -> None: ...

class StaffingHour(_message.Message):
    __slots__ = ("hour", "arrivals", "agents", "reached_percent", "reached_half_width_percent", "occupancy_percent", "mean_wait_ms", "abandoned_percent", "recorded_arrivals", "recorded_agents")
    HOUR_FIELD_NUMBER: _ClassVar[int]
    ARRIVALS_FIELD_NUMBER: _ClassVar[int]
    AGENTS_FIELD_NUMBER: _ClassVar[int]
    REACHED_PERCENT_FIELD_NUMBER: _ClassVar[int]
    REACHED_HALF_WIDTH_PERCENT_FIELD_NUMBER: _ClassVar[int]
    OCCUPANCY_PERCENT_FIELD_NUMBER: _ClassVar[int]
    MEAN_WAIT_MS_FIELD_NUMBER: _ClassVar[int]
    ABANDONED_PERCENT_FIELD_NUMBER: _ClassVar[int]
    RECORDED_ARRIVALS_FIELD_NUMBER: _ClassVar[int]
    RECORDED_AGENTS_FIELD_NUMBER: _ClassVar[int]
    hour: int
    arrivals: float
    agents: int
    reached_percent: float
    reached_half_width_percent: float
    occupancy_percent: float
    mean_wait_ms: float
    abandoned_percent: float
    recorded_arrivals: float
    recorded_agents: float
    def __init__(self, hour: _Optional[int] = ..., arrivals: _Optional[float] = ..., agents: _Optional[int] = ..., reached_percent: _Optional[float] = ..., reached_half_width_percent: _Optional[float] = ..., occupancy_percent: _Optional[float] = ..., mean_wait_ms: _Optional[float] = ..., abandoned_percent: _Optional[float] = ..., recorded_arrivals: _Optional[float] = ..., recorded_agents: _Optional[float] = ...) -> None: ...

class PlanStaffingResponse(_message.Message):
    __slots__ = ("hours", "model", "arrivals", "agent_hours", "peak_agents", "people", "guidance", "guidance_text", "assumptions", "handling_ms", "patience_ms", "as_of_ms")
    HOURS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    ARRIVALS_FIELD_NUMBER: _ClassVar[int]
    AGENT_HOURS_FIELD_NUMBER: _ClassVar[int]
    PEAK_AGENTS_FIELD_NUMBER: _ClassVar[int]
    PEOPLE_FIELD_NUMBER: _ClassVar[int]
    GUIDANCE_FIELD_NUMBER: _ClassVar[int]
    GUIDANCE_TEXT_FIELD_NUMBER: _ClassVar[int]
    ASSUMPTIONS_FIELD_NUMBER: _ClassVar[int]
    HANDLING_MS_FIELD_NUMBER: _ClassVar[int]
    PATIENCE_MS_FIELD_NUMBER: _ClassVar[int]
    AS_OF_MS_FIELD_NUMBER: _ClassVar[int]
    hours: _containers.RepeatedCompositeFieldContainer[StaffingHour]
    model: StaffingModel
    arrivals: float
    agent_hours: float
    peak_agents: int
    people: int
    guidance: Guidance
    guidance_text: str
    assumptions: _containers.RepeatedScalarFieldContainer[str]
    handling_ms: float
    patience_ms: float
    as_of_ms: int
    def __init__(self, hours: _Optional[_Iterable[_Union[StaffingHour, _Mapping]]] = ..., model: _Optional[_Union[StaffingModel, str]] = ..., arrivals: _Optional[float] = ..., agent_hours: _Optional[float] = ..., peak_agents: _Optional[int] = ..., people: _Optional[int] = ..., guidance: _Optional[_Union[Guidance, str]] = ..., guidance_text: _Optional[str] = ..., assumptions: _Optional[_Iterable[str]] = ..., handling_ms: _Optional[float] = ..., patience_ms: _Optional[float] = ..., as_of_ms: _Optional[int] = ...) -> None: ...

class WatchLoadRequest(_message.Message):
    __slots__ = ("shop_id", "interval_ms")
    SHOP_ID_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_MS_FIELD_NUMBER: _ClassVar[int]
    shop_id: str
    interval_ms: int
    def __init__(self, shop_id: _Optional[str] = ..., interval_ms: _Optional[int] = ...) -> None: ...

class TodaysReception(_message.Message):
    __slots__ = ("consulted", "received", "ordered", "paid")
    CONSULTED_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_FIELD_NUMBER: _ClassVar[int]
    ORDERED_FIELD_NUMBER: _ClassVar[int]
    PAID_FIELD_NUMBER: _ClassVar[int]
    consulted: int
    received: int
    ordered: int
    paid: int
    def __init__(self, consulted: _Optional[int] = ..., received: _Optional[int] = ..., ordered: _Optional[int] = ..., paid: _Optional[int] = ...) -> None: ...

class AgentLoad(_message.Message):
    __slots__ = ("agent_id", "status", "awaiting", "open_conversations", "today", "since_ms", "effective_weight")
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    AWAITING_FIELD_NUMBER: _ClassVar[int]
    OPEN_CONVERSATIONS_FIELD_NUMBER: _ClassVar[int]
    TODAY_FIELD_NUMBER: _ClassVar[int]
    SINCE_MS_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_WEIGHT_FIELD_NUMBER: _ClassVar[int]
    agent_id: str
    status: _types_pb2.PresenceStatus
    awaiting: int
    open_conversations: int
    today: TodaysReception
    since_ms: int
    effective_weight: int
    def __init__(self, agent_id: _Optional[str] = ..., status: _Optional[_Union[_types_pb2.PresenceStatus, str]] = ..., awaiting: _Optional[int] = ..., open_conversations: _Optional[int] = ..., today: _Optional[_Union[TodaysReception, _Mapping]] = ..., since_ms: _Optional[int] = ..., effective_weight: _Optional[int] = ...) -> None: ...

class WatchLoadResponse(_message.Message):
    __slots__ = ("at_ms", "agents", "queued", "pooled", "arrivals_last_minute", "left_messages", "queued_since_ms", "today", "figures_as_of_ms")
    AT_MS_FIELD_NUMBER: _ClassVar[int]
    AGENTS_FIELD_NUMBER: _ClassVar[int]
    QUEUED_FIELD_NUMBER: _ClassVar[int]
    POOLED_FIELD_NUMBER: _ClassVar[int]
    ARRIVALS_LAST_MINUTE_FIELD_NUMBER: _ClassVar[int]
    LEFT_MESSAGES_FIELD_NUMBER: _ClassVar[int]
    QUEUED_SINCE_MS_FIELD_NUMBER: _ClassVar[int]
    TODAY_FIELD_NUMBER: _ClassVar[int]
    FIGURES_AS_OF_MS_FIELD_NUMBER: _ClassVar[int]
    at_ms: int
    agents: _containers.RepeatedCompositeFieldContainer[AgentLoad]
    queued: int
    pooled: int
    arrivals_last_minute: int
    left_messages: int
    queued_since_ms: int
    today: TodaysReception
    figures_as_of_ms: int
    def __init__(self, at_ms: _Optional[int] = ..., agents: _Optional[_Iterable[_Union[AgentLoad, _Mapping]]] = ..., queued: _Optional[int] = ..., pooled: _Optional[int] = ..., arrivals_last_minute: _Optional[int] = ..., left_messages: _Optional[int] = ..., queued_since_ms: _Optional[int] = ..., today: _Optional[_Union[TodaysReception, _Mapping]] = ..., figures_as_of_ms: _Optional[int] = ...) -> None: ...
