"""The English texts."""

from fenliu.engine.explanation import Finding
from fenliu.insight.explanations.catalogue import Catalogue

ENGLISH = Catalogue(
    steps={
        Finding.HANDED_ON: "{agent} handed conversation {conversation} on{note}",
        Finding.ROBOT_HANDED_ON: "conversation {conversation} of the robot was handed on{note}",
        Finding.RECEIVER_ACCEPTS: "to {agent}, who is {status} and may be handed buyers",
        Finding.RECEIVER_OFFLINE: "to {agent}, who is offline: left as a message until they come",
        Finding.RECEIVERS_UNAVAILABLE: (
            "to {groups}, where nobody may take a buyer: left as a message until somebody may"
        ),
        Finding.REPLY_TIMED_OUT: (
            "{agent} had not answered {waited_ms} after conversation {conversation} began: "
            "another agent is looked for"
        ),
        Finding.QUEUE_MOVES: (
            "the buyer had been in the queue for {waited_ms} (priority {priority}) and it was "
            "their turn"
        ),
        Finding.POOL_MOVES: (
            "the buyer had been in the pool for {waited_ms}; only agents online with fewer than "
            "{threshold} awaiting count"
        ),
        Finding.WAITED_FOR_AGENT: (
            "the buyer had waited for {agent} for {waited_ms}, who had time now"
        ),
        Finding.WAITED_FOR_GROUP: (
            "the buyer had waited for {groups} for {waited_ms}; only agents online with fewer "
            "than {threshold} awaiting count"
        ),
        Finding.NO_REPEAT: "the request_id had not been used within 24 hours: no repeat",
        Finding.NO_REQUEST_ID: "the request had no request_id: repeats are not looked for",
        Finding.NO_CONVERSATION: "the buyer had no open conversation",
        Finding.CONVERSATION_OPEN: (
            "conversation {conversation} was open and {agent} {status}: it goes on"
        ),
        Finding.CONVERSATION_AGENT_OFFLINE: (
            "{agent} of conversation {conversation} was offline: it ended"
        ),
        Finding.CONVERSATION_AGENT_GONE: (
            "{agent} of conversation {conversation} was no longer in the shop: it ended"
        ),
        Finding.CONVERSATION_AGENT_EXCLUDED: (
            "{agent} of conversation {conversation} was excluded by the request: it ended"
        ),
        Finding.ROBOT_CONVERSATION_OPEN: (
            "conversation {conversation} with the robot {agent} was open: it goes on"
        ),
        Finding.ROBOT_CONVERSATION_LEFT: (
            "the buyer asked for a human: conversation {conversation} with the robot {agent} "
            "stays open while one is looked for"
        ),
        Finding.ROBOT_CONVERSATION_ENDED: (
            "the shop had no robot any more: its conversation {conversation} ended"
        ),
        Finding.NO_CONTACT: "the buyer had consulted nobody within {window_ms}",
        Finding.CONTACT_FOUND: (
            "the buyer had consulted {agent} {ago_ms} ago, who is {status}: within the limit, "
            "whatever weight and cap"
        ),
        Finding.CONTACT_GONE: "the recent contact {agent} was no longer in the shop",
        Finding.CONTACT_IN_NO_GROUP: "the recent contact {agent} was in no group any more",
        Finding.CONTACT_EXCLUDED: "the recent contact {agent} was excluded from this inquiry",
        Finding.CONTACT_OFFLINE: "the recent contact {agent} was offline",
        Finding.CONTACT_OFF: (
            "the recent contact {agent} was {status}, in which the shop's recent contacts do not "
            "count"
        ),
        Finding.CONTACT_TOO_LONG_AGO: (
            "the recent contact {agent} was {status}, but {ago_ms} ago is beyond the limit of "
            "{window_ms}"
        ),
        Finding.CONTACT_HAS_NO_TIME: (
            "the recent contact {agent} was {status} with {awaiting} awaiting: no time now"
        ),
        Finding.NO_DEDICATED: "the buyer had no dedicated agent",
        Finding.DEDICATED_FOUND: (
            "{agent} is the buyer's dedicated agent and online: whatever weight and cap"
        ),
        Finding.DEDICATED_GONE: "the dedicated agent {agent} was no longer in the shop",
        Finding.DEDICATED_IN_NO_GROUP: "the dedicated agent {agent} was in no group",
        Finding.DEDICATED_EXCLUDED: "the dedicated agent {agent} was excluded from this inquiry",
        Finding.DEDICATED_NOT_ONLINE: "the dedicated agent {agent} was {status}, not online",
        Finding.DEDICATED_HAS_NO_TIME: (
            "the dedicated agent {agent} had {awaiting} awaiting: no time now"
        ),
        Finding.NO_GROUPS: "the shop had no groups",
        Finding.NOTHING_BOUND: (
            "no group was bound to anything of this inquiry: all match, {groups}"
        ),
        Finding.BOUND: "matched by bindings ({bound}): {groups}",
        Finding.HUMAN_ASKED_FOR: "the buyer asked for a human: no robot",
        Finding.NO_ROBOT: "the shop had no robot",
        Finding.HUMAN_FIRST: "{owner}: humans first",
        Finding.ROBOT_FIRST: "{owner}: robot first, so the robot {agent}",
        Finding.MIXED_ROBOTS_TURN: (
            "{owner}: mixed, {percent}% for the robot; {before} and {percent} make 100, so the "
            "robot {agent}"
        ),
        Finding.MIXED_HUMANS_TURN: (
            "{owner}: mixed, {percent}% for the robot; {before} and {percent} do not make 100, "
            "so a human"
        ),
        Finding.PICKED: "by weight in {groups}, where {in_line} could: it was the turn of {agent}",
        Finding.PICKED_WITH_TIME: (
            "by weight in {groups}, where {in_line} with fewer than {threshold} awaiting could: "
            "it was the turn of {agent}"
        ),
        Finding.NOBODY_WITHOUT_GROUPS: "no groups, so nobody to choose from",
        Finding.NOBODY_AVAILABLE: "nobody in {groups} could",
        Finding.NOBODY_WITH_TIME: "nobody in {groups} with fewer than {threshold} awaiting could",
        Finding.SPILL_PICKED: (
            "nobody there, so among all groups, where {in_line} could: it was the turn of {agent}"
        ),
        Finding.SPILL_PICKED_WITH_TIME: (
            "nobody there, so among all groups, where {in_line} with fewer than {threshold} "
            "awaiting could: it was the turn of {agent}"
        ),
        Finding.SPILL_NOBODY: "nor could anybody of all groups",
        Finding.SPILL_NO_OTHERS: "nobody there means all groups, but these were all groups already",
        Finding.POLICY_WITHOUT_GROUPS: "no group matched, so none says what to do",
        Finding.POLICY_QUEUE: (
            "{groups}: nobody there means waiting for its own agents, not those of other groups"
        ),
        Finding.POLICY_ROBOT: "{groups}: nobody there means the robot {agent}",
        Finding.POLICY_ROBOT_NOT_WANTED: (
            "{groups}: nobody there means the robot, but the buyer asked for a human"
        ),
        Finding.POLICY_ROBOT_MISSING: (
            "{groups}: nobody there means the robot, but the shop had none"
        ),
        Finding.POLICY_OFFLINE: "{groups}: nobody there means neither other groups nor the queue",
        Finding.QUEUE_KEPT: (
            "the buyer was in the queue already and keeps the place: number {position}"
        ),
        Finding.QUEUED: "into the queue: number {position}, estimated wait {wait_ms}",
        Finding.QUEUED_WAIT_UNKNOWN: "into the queue: number {position}",
        Finding.QUEUE_NOT_ENTERED: (
            "the buyer was waiting in the pool or with a left message already: no queue"
        ),
        Finding.QUEUE_OFF: "the shop had no queue",
        Finding.QUEUE_NOBODY_ONLINE: "nobody who takes part was online: no queue",
        Finding.QUEUE_FULL: "the queue was full (at most {limit})",
        Finding.QUEUE_TIMED_OUT: "the buyer had been in the queue for {waited_ms}: its limit",
        Finding.ROBOT_KEEPS: (
            "nobody could: the robot {agent} goes on, and the pool keeps the inquiry for an agent"
        ),
        Finding.ROBOT_WHILE_OFFLINE: (
            "nobody was online: the robot {agent}, and the pool keeps the inquiry for an agent"
        ),
        Finding.ROBOT_DESPITE_HANDOFF: (
            "a human was asked for and nobody online: the robot {agent}, and the pool keeps the "
            "inquiry for an agent"
        ),
        Finding.STILL_POOLED: "the buyer was in the pool already and keeps the place",
        Finding.STILL_LEFT_MESSAGE: (
            "the buyer's message was left for {agent} already and stays there"
        ),
        Finding.STILL_WAITING_FOR_GROUP: (
            "the buyer's message was left for {groups} already and stays there"
        ),
        Finding.POOLED_NOBODY_FREE: "somebody was online but nobody could: into the pool",
        Finding.LEFT_WITH_PROXY: "nobody was online: a message left for the proxy account {agent}",
        Finding.LEFT_WITH_OWNER: "nobody was online: a message left for the owner account {agent}",
        Finding.POOLED_NOBODY_ONLINE: "nobody was online: into the pool",
    },
    charged="; this one counts in the shares of {groups}",
    candidates={
        "TAKEN": "receives this buyer",
        "TAKEN_MESSAGE": "has the message that was left",
        "OTHER_HAS_CONVERSATION": "the buyer's conversation with {taken} was open",
        "OTHER_IS_RECENT_CONTACT": (
            "the buyer had consulted {taken} last, so nobody else was compared"
        ),
        "OTHER_IS_DEDICATED": "{taken} is the buyer's dedicated agent, so nobody else was compared",
        "OTHER_IS_RECEIVER": "the buyer was handed to {taken}",
        "ROBOT_COMES_FIRST": "the robot {robot} came first, so no agents were compared",
        "HANDED_OVER": "the buyer was being moved away from this agent",
        "EXCLUDED": "excluded from this inquiry (by the request, or for not answering before)",
        "IN_NO_GROUP": "in no group, so takes no part",
        "IN_OTHER_GROUPS": "only in {groups}, none of those asked",
        "OFFLINE": "offline agents receive nobody",
        "SUSPENDED": "suspended agents receive no new buyers",
        "WEIGHT_ZERO": "weight 0: only returning buyers and transfers",
        "AT_CAP": "at the cap of {cap} ({open_conversations} open)",
        "AT_DAILY_LIMIT": "at the daily limit of {daily_limit} new buyers ({received_today} today)",
        "AT_HOURLY_LIMIT": (
            "at the hourly limit of {hourly_limit} new buyers ({received_this_hour} this hour)"
        ),
        "BUSY": "not fewer than {time_threshold} awaiting, so takes nobody from the pool for now",
        "LATER_IN_LINE": "number 1, {taken}, receives the buyer",
    },
    figures="{agent}: {status}, weight {weight}, {awaiting} awaiting",
    busy="over the busy threshold of {threshold}, so counted at {part}/{whole}",
    place="number {place} in line",
    clauses=", ",
    before_reason="; ",
    end=".",
    decisions={
        "OPEN_CONVERSATION": (
            "Conversation {conversation} of buyer {buyer} was open: {agent} goes on."
        ),
        "RECENT_CONTACT": "Buyer {buyer} had consulted {agent} last: {agent} receives them.",
        "DEDICATED": "{agent} is the dedicated agent of buyer {buyer} and receives them.",
        "WEIGHTED": (
            "Buyer {buyer} is a new buyer, given by weight in {groups}: it was the turn of {agent}."
        ),
        "SPILLED": (
            "Nobody in the matched groups could take buyer {buyer}; by weight among all groups "
            "it was the turn of {agent}."
        ),
        "ROBOT_FIRST": "Robot first: the robot {agent} receives buyer {buyer}.",
        "MIXED_ROBOT": "Mixed mode, the robot's turn: the robot {agent} receives buyer {buyer}.",
        "GROUP_ROBOT": (
            "Nobody in the matched groups could, which means the robot there: {agent} receives "
            "buyer {buyer}."
        ),
        "QUEUED_AT_CAP": (
            "Somebody was online but nobody could take a new buyer: buyer {buyer} is in the "
            "queue, number {position}."
        ),
        "STILL_WAITING": (
            "Buyer {buyer} was waiting already, still nobody could, and the place is kept."
        ),
        "NOBODY_FREE": "Somebody was online but nobody could: buyer {buyer} is in the pool.",
        "OFFLINE_ROBOT": (
            "Nobody was online: the robot {agent} receives buyer {buyer}, and an agent will "
            "follow up."
        ),
        "OFFLINE_PROXY": (
            "Nobody was online: the inquiry of buyer {buyer} is left as a message for the proxy "
            "account {agent}."
        ),
        "OFFLINE_OWNER": (
            "Nobody was online: the inquiry of buyer {buyer} is left as a message for the owner "
            "account {agent}."
        ),
        "OFFLINE_POOL": "Nobody was online: buyer {buyer} is in the pool.",
        "HANDOFF_UNAVAILABLE": (
            "No agent could take buyer {buyer}: the robot {agent} has them, and an agent will "
            "follow up."
        ),
        "TRANSFER": "Buyer {buyer} was handed on by {before} to {agent}.",
        "TRANSFER_LEFT": (
            "Buyer {buyer} was handed on by {before} to {receiver}; nobody could right then, so "
            "a message waits there."
        ),
        "REPLY_TIMEOUT": (
            "{before} did not answer buyer {buyer} in time: now {agent} receives them."
        ),
        "LEFT_QUEUE": (
            "After {waited_ms} in the queue it was the turn of buyer {buyer}: {agent} receives "
            "them."
        ),
        "LEFT_POOL": "Buyer {buyer} had waited for {waited_ms} and came from the pool to {agent}.",
    },
    statuses={"ONLINE": "online", "SUSPENDED": "suspended", "OFFLINE": "offline"},
    dimensions={
        "PRODUCT": "product",
        "INTENT": "intent",
        "ORDER_STATUS": "order status",
        "PAGE_SOURCE": "page source",
    },
    order_statuses={
        "NO_ACTIVE_ORDER": "no active order",
        "UNPAID": "unpaid",
        "UNSHIPPED": "unshipped",
        "SHIPPED": "shipped",
        "COMPLETED": "completed",
        "REFUNDING": "refunding",
    },
    bound="{dimension}: {value}",
    note=', because "{note}"',
    named="{name} ({id})",
    robot="the robot",
    shop="the shop",
    all_groups="the {count} groups",
    separator=", ",
    units=("{} d", "{} h", "{} min", "{} s", "{} ms"),
)
