"""决定说明的中文文字。 The Chinese texts."""

from fenliu.engine.explanation import Finding
from fenliu.insight.explanations.catalogue import Catalogue

CHINESE = Catalogue(
    steps={
        Finding.HANDED_ON: "{agent}把会话 {conversation} 转接出去{note}",
        Finding.ROBOT_HANDED_ON: "机器人的会话 {conversation} 被转接出去{note}",
        Finding.RECEIVER_ACCEPTS: "转接给{agent}：{status}，可以接收转接",
        Finding.RECEIVER_OFFLINE: "转接给{agent}：已离线，作为留言等其上线",
        Finding.RECEIVERS_UNAVAILABLE: "转接给{groups}：组里没有人能接，作为留言等组里有人能接",
        Finding.REPLY_TIMED_OUT: (
            "会话 {conversation} 开始 {waited_ms}后{agent}仍未回复，换一位客服"
        ),
        Finding.QUEUE_MOVES: "买家已排队 {waited_ms}（优先级 {priority}），现在轮到",
        Finding.POOL_MOVES: (
            "买家在离线消息池里等了 {waited_ms}；只分给待回复少于 {threshold} 人的在线客服"
        ),
        Finding.WAITED_FOR_AGENT: "买家等{agent}已 {waited_ms}，现在{agent}有空接待",
        Finding.WAITED_FOR_GROUP: (
            "买家等{groups}已 {waited_ms}；只分给待回复少于 {threshold} 人的在线客服"
        ),
        Finding.NO_REPEAT: "24 小时内没有用过这个 request_id，不是重复请求",
        Finding.NO_REQUEST_ID: "请求没有 request_id，不查重复",
        Finding.NO_CONVERSATION: "买家没有进行中的会话",
        Finding.CONVERSATION_OPEN: "会话 {conversation} 还没结束，{agent}{status}，继续接待",
        Finding.CONVERSATION_AGENT_OFFLINE: "会话 {conversation} 的客服{agent}已离线，会话结束",
        Finding.CONVERSATION_AGENT_GONE: "会话 {conversation} 的客服{agent}已不在店里，会话结束",
        Finding.CONVERSATION_AGENT_EXCLUDED: (
            "会话 {conversation} 的客服{agent}被本次请求排除，会话结束"
        ),
        Finding.ROBOT_CONVERSATION_OPEN: (
            "与机器人 {agent} 的会话 {conversation} 还没结束，继续由机器人接待"
        ),
        Finding.ROBOT_CONVERSATION_LEFT: (
            "买家要求转人工：与机器人 {agent} 的会话 {conversation} 先保留，去找客服"
        ),
        Finding.ROBOT_CONVERSATION_ENDED: "店铺已没有机器人，机器人的会话 {conversation} 结束",
        Finding.NO_CONTACT: "最近 {window_ms}内买家没有咨询过客服",
        Finding.CONTACT_FOUND: (
            "买家 {ago_ms}前咨询过{agent}，现在{status}，在时限内，不论权重与上限"
        ),
        Finding.CONTACT_GONE: "最近联系人{agent}已不在店里",
        Finding.CONTACT_IN_NO_GROUP: "最近联系人{agent}已不在任何分流组",
        Finding.CONTACT_EXCLUDED: "最近联系人{agent}被排除在本次咨询之外",
        Finding.CONTACT_OFFLINE: "最近联系人{agent}离线",
        Finding.CONTACT_OFF: "最近联系人{agent}{status}，店铺在这种状态下不按最近联系人分配",
        Finding.CONTACT_TOO_LONG_AGO: (
            "最近联系人{agent}{status}，但已是 {ago_ms}前，超过时限 {window_ms}"
        ),
        Finding.CONTACT_HAS_NO_TIME: "最近联系人{agent}{status}，待回复 {awaiting} 人，暂时没空",
        Finding.NO_DEDICATED: "买家没有专属客服",
        Finding.DEDICATED_FOUND: "{agent}是买家的专属客服，在线，不论权重与上限",
        Finding.DEDICATED_GONE: "专属客服{agent}已不在店里",
        Finding.DEDICATED_IN_NO_GROUP: "专属客服{agent}不在任何分流组",
        Finding.DEDICATED_EXCLUDED: "专属客服{agent}被排除在本次咨询之外",
        Finding.DEDICATED_NOT_ONLINE: "专属客服{agent}{status}，不在线",
        Finding.DEDICATED_HAS_NO_TIME: "专属客服{agent}待回复 {awaiting} 人，暂时没空",
        Finding.NO_GROUPS: "店铺没有分流组",
        Finding.NOTHING_BOUND: "没有组绑定本次咨询的内容，都匹配：{groups}",
        Finding.BOUND: "按绑定（{bound}）匹配：{groups}",
        Finding.HUMAN_ASKED_FOR: "买家要求转人工，跳过机器人",
        Finding.NO_ROBOT: "店铺没有机器人",
        Finding.HUMAN_FIRST: "{owner}是人工优先",
        Finding.ROBOT_FIRST: "{owner}是机器人优先，由机器人 {agent} 接待",
        Finding.MIXED_ROBOTS_TURN: (
            "{owner}是混合模式，机器人接 {percent}%：累计 {before} 加 {percent} 满 100，"
            "轮到机器人 {agent}"
        ),
        Finding.MIXED_HUMANS_TURN: (
            "{owner}是混合模式，机器人接 {percent}%：累计 {before} 加 {percent} 不满 100，轮到人工"
        ),
        Finding.PICKED: "在{groups}里按权重分流，{in_line} 人可接，轮到{agent}",
        Finding.PICKED_WITH_TIME: (
            "在{groups}里按权重分流，待回复少于 {threshold} 人的有 {in_line} 人可接，轮到{agent}"
        ),
        Finding.NOBODY_WITHOUT_GROUPS: "没有分流组，也就没有人可分",
        Finding.NOBODY_AVAILABLE: "{groups}里没有人能接",
        Finding.NOBODY_WITH_TIME: "{groups}里没有待回复少于 {threshold} 人又能接的客服",
        Finding.SPILL_PICKED: "匹配的组里无人能接时转入所有组：{in_line} 人可接，轮到{agent}",
        Finding.SPILL_PICKED_WITH_TIME: (
            "匹配的组里无人能接时转入所有组：待回复少于 {threshold} 人的有 {in_line} 人可接，"
            "轮到{agent}"
        ),
        Finding.SPILL_NOBODY: "转入所有组，也没有人能接",
        Finding.SPILL_NO_OTHERS: "无人能接时转入所有组，但匹配的已是所有组",
        Finding.POLICY_WITHOUT_GROUPS: "没有匹配的组，也就没有无人可接时的办法",
        Finding.POLICY_QUEUE: "{groups}无人可接时等本组的人，不转入其他组",
        Finding.POLICY_ROBOT: "{groups}无人可接时交给机器人 {agent}",
        Finding.POLICY_ROBOT_NOT_WANTED: "{groups}无人可接时交给机器人，但买家要求转人工",
        Finding.POLICY_ROBOT_MISSING: "{groups}无人可接时交给机器人，但店铺没有机器人",
        Finding.POLICY_OFFLINE: "{groups}无人可接时不转入其他组，也不排队",
        Finding.QUEUE_KEPT: "买家已在排队，保留位置：第 {position} 位",
        Finding.QUEUED: "进入排队，第 {position} 位，预计等候 {wait_ms}",
        Finding.QUEUED_WAIT_UNKNOWN: "进入排队，第 {position} 位",
        Finding.QUEUE_NOT_ENTERED: "买家已在离线消息池或留言里等候，不再排队",
        Finding.QUEUE_OFF: "店铺没有开启排队",
        Finding.QUEUE_NOBODY_ONLINE: "没有参与分流的客服在线，不排队",
        Finding.QUEUE_FULL: "排队已满（最多 {limit} 人）",
        Finding.QUEUE_TIMED_OUT: "买家已排队 {waited_ms}，到了排队时限",
        Finding.ROBOT_KEEPS: "没有客服能接：机器人 {agent} 继续接待，并放入离线消息池等客服跟进",
        Finding.ROBOT_WHILE_OFFLINE: (
            "没有客服在线：由机器人 {agent} 接待，并放入离线消息池等客服跟进"
        ),
        Finding.ROBOT_DESPITE_HANDOFF: (
            "买家要求转人工但没有客服在线：由机器人 {agent} 接待，并放入离线消息池等客服跟进"
        ),
        Finding.STILL_POOLED: "买家已在离线消息池里，保留位置",
        Finding.STILL_LEFT_MESSAGE: "买家已给{agent}留言，继续等候",
        Finding.STILL_WAITING_FOR_GROUP: "买家已给{groups}留言，继续等候",
        Finding.POOLED_NOBODY_FREE: "有客服在线但没有人能接：放入离线消息池",
        Finding.LEFT_WITH_PROXY: "没有客服在线：留言给代理账号{agent}",
        Finding.LEFT_WITH_OWNER: "没有客服在线：留言给主账号{agent}",
        Finding.POOLED_NOBODY_ONLINE: "没有客服在线：放入离线消息池",
    },
    charged="；这次接待记在{groups}的分流份额上",
    candidates={
        "TAKEN": "由其接待这位买家",
        "TAKEN_MESSAGE": "给其留了言",
        "OTHER_HAS_CONVERSATION": "买家与{taken}的会话还没结束",
        "OTHER_IS_RECENT_CONTACT": "买家最近联系的是{taken}，老买家不再比较其他客服",
        "OTHER_IS_DEDICATED": "{taken}是买家的专属客服，不再比较其他客服",
        "OTHER_IS_RECEIVER": "买家是转接给{taken}的",
        "ROBOT_COMES_FIRST": "由机器人 {robot} 接待，没有比较客服",
        "HANDED_OVER": "买家正从其手中转走",
        "EXCLUDED": "被排除在本次咨询之外（请求指定，或先前没有及时回复）",
        "IN_NO_GROUP": "不在任何分流组，不参与分流",
        "IN_OTHER_GROUPS": "只在{groups}，不在本次分流的组里",
        "OFFLINE": "离线时不接待买家",
        "SUSPENDED": "挂起时不接新买家",
        "WEIGHT_ZERO": "权重为 0，只接老买家和转接",
        "AT_CAP": "正在接待 {open_conversations} 人，已到接待上限 {cap}",
        "AT_DAILY_LIMIT": "今天已接 {received_today} 位新买家，已到每日上限 {daily_limit}",
        "AT_HOURLY_LIMIT": (
            "本小时已接 {received_this_hour} 位新买家，已到每小时上限 {hourly_limit}"
        ),
        "BUSY": "待回复不少于 {time_threshold} 人，暂不从离线消息池里接买家",
        "LATER_IN_LINE": "分给了排在第 1 位的{taken}",
    },
    figures="{agent}：{status}，权重 {weight}，待回复 {awaiting} 人",
    busy="超过繁忙阈值 {threshold}，按 {part}/{whole} 折算",
    place="排在第 {place} 位",
    clauses="，",
    before_reason="；",
    end="。",
    decisions={
        "OPEN_CONVERSATION": "买家 {buyer} 的会话 {conversation} 还没结束，继续由{agent}接待。",
        "RECENT_CONTACT": "买家 {buyer} 最近联系的是{agent}，由{agent}接待。",
        "DEDICATED": "{agent}是买家 {buyer} 的专属客服，由{agent}接待。",
        "WEIGHTED": "买家 {buyer} 是新买家，在{groups}里按权重分流，轮到{agent}接待。",
        "SPILLED": "匹配的组里没有人能接买家 {buyer}，转入所有组按权重分流，轮到{agent}接待。",
        "ROBOT_FIRST": "机器人优先：买家 {buyer} 由机器人 {agent} 接待。",
        "MIXED_ROBOT": "混合模式轮到机器人：买家 {buyer} 由机器人 {agent} 接待。",
        "GROUP_ROBOT": (
            "匹配的组里没有人能接，该组设为交给机器人：买家 {buyer} 由机器人 {agent} 接待。"
        ),
        "QUEUED_AT_CAP": "有客服在线但没有人能接新买家：买家 {buyer} 排队，第 {position} 位。",
        "STILL_WAITING": "买家 {buyer} 已在等候，仍没有人能接，保留原来的位置。",
        "NOBODY_FREE": "有客服在线但没有人能接：买家 {buyer} 放入离线消息池。",
        "OFFLINE_ROBOT": "没有客服在线：买家 {buyer} 由机器人 {agent} 接待，并等客服跟进。",
        "OFFLINE_PROXY": "没有客服在线：买家 {buyer} 的咨询留言给代理账号{agent}。",
        "OFFLINE_OWNER": "没有客服在线：买家 {buyer} 的咨询留言给主账号{agent}。",
        "OFFLINE_POOL": "没有客服在线：买家 {buyer} 放入离线消息池。",
        "HANDOFF_UNAVAILABLE": "没有客服能接买家 {buyer}：由机器人 {agent} 接待，并等客服跟进。",
        "TRANSFER": "买家 {buyer} 由{before}转接给{agent}。",
        "TRANSFER_LEFT": "买家 {buyer} 由{before}转接给{receiver}，现在没有人能接，作为留言等候。",
        "REPLY_TIMEOUT": "{before}没有及时回复买家 {buyer}，改由{agent}接待。",
        "LEFT_QUEUE": "买家 {buyer} 排队 {waited_ms}后轮到，由{agent}接待。",
        "LEFT_POOL": "买家 {buyer} 等了 {waited_ms}，从离线消息池分给{agent}接待。",
    },
    statuses={"ONLINE": "在线", "SUSPENDED": "挂起", "OFFLINE": "离线"},
    dimensions={
        "PRODUCT": "商品",
        "INTENT": "意图",
        "ORDER_STATUS": "订单状态",
        "PAGE_SOURCE": "页面来源",
    },
    order_statuses={
        "NO_ACTIVE_ORDER": "没有进行中的订单",
        "UNPAID": "未付款",
        "UNSHIPPED": "未发货",
        "SHIPPED": "已发货",
        "COMPLETED": "已完成",
        "REFUNDING": "退款中",
    },
    bound="{dimension}：{value}",
    note="，理由「{note}」",
    named="{name}（{id}）",
    robot="机器人",
    shop="店铺",
    all_groups="全部 {count} 个组",
    separator="、",
    units=("{} 天", "{} 小时", "{} 分", "{} 秒", "{} 毫秒"),
)
