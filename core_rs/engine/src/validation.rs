//! The rules a request must keep before any state is looked at, in the order they are checked.

use std::fmt::Display;

use crate::maps::{Map, Set};
use crate::permission::MANAGE;
use crate::proto::fenliu::v1 as api;
use crate::refusal::Refusal;

use crate::views::{Command, Event, Route, Whole};

type Valid = Result<(), Refusal>;

const DAY_MS: i64 = 86_400_000;
const NINETY_DAYS_MS: i64 = 90 * DAY_MS;
const MILLION: i64 = 1_000_000;
/// The greatest integer every JSON reader keeps exactly.
const GREATEST: i64 = 9_007_199_254_740_991;

/// The first broken rule of a command, if any.
pub fn command(command: &Command) -> Valid {
    match command {
        Command::Route(request) => route(request),
        Command::Message(event) => message(event),
        Command::Other(command) => whole(command),
    }
}

fn whole(command: &Whole) -> Valid {
    match command {
        // Read as views.
        Whole::Route(_) | Whole::Message(_) => Ok(()),
        Whole::CloseConversation(request) => {
            id(&request.shop_id, "shop_id")?;
            id(&request.conversation_id, "conversation_id")?;
            optional_id(&request.request_id, "request_id")
        }
        Whole::Transfer(request) => transfer(request),
        Whole::CancelInquiry(request) => {
            id(&request.shop_id, "shop_id")?;
            id(&request.buyer_id, "buyer_id")?;
            optional_id(&request.request_id, "request_id")
        }
        Whole::Order(event) => order(event),
        Whole::UpdatePresence(request) => {
            id(&request.session_id, "session_id")?;
            let Some(update) = &request.update else {
                return Err(Refusal::invalid("update", "required"));
            };
            id(&update.update_id, "update_id")?;
            presence(
                &update.shop_id,
                &update.agent_id,
                update.status,
                update.awaiting,
            )
        }
        Whole::SetPresence(request) => presence(
            &request.shop_id,
            &request.agent_id,
            request.status,
            request.awaiting,
        ),
        Whole::ExpireSession(request) => {
            id(&request.shop_id, "shop_id")?;
            id(&request.session_id, "session_id")
        }
        Whole::ApplyShop(request) => match &request.shop {
            Some(document) => shop(document),
            None => Err(Refusal::invalid("shop", "required")),
        },
        Whole::SetWeights(request) => weights(request),
        Whole::DeleteShop(request) => id(&request.shop_id, "shop_id"),
        Whole::Tick(request) => id(&request.shop_id, "shop_id"),
    }
}

fn route(request: &Route) -> Valid {
    // Nearly all are so, and then no rule about texts can be broken.
    if request.is_plain
        && !request.shop_id.is_empty()
        && !request.buyer_id.is_empty()
        && request.order_status == 0
        && request.priority == 0
        && request.exclude_agent_ids.is_empty()
    {
        return Ok(());
    }
    id(request.shop_id, "shop_id")?;
    id(request.buyer_id, "buyer_id")?;
    optional_id(request.request_id, "request_id")?;
    known::<api::OrderStatus>(request.order_status, "order_status")?;
    optional_id(request.product_id, "product_id")?;
    optional_id(request.intent, "intent")?;
    optional_id(request.page_source, "page_source")?;
    optional_id(request.dedicated_agent_id, "dedicated_agent_id")?;
    within(request.priority, 0, 9, "priority")?;
    at_most(request.exclude_agent_ids.len(), 100, "exclude_agent_ids")?;
    for (i, agent) in request.exclude_agent_ids.iter().enumerate() {
        id(agent, format_args!("exclude_agent_ids[{i}]"))?;
    }
    Ok(())
}

fn message(event: &Event) -> Valid {
    if event.is_plain
        && !event.shop_id.is_empty()
        && !event.conversation_id.is_empty()
        && event.sender() != api::Sender::Unspecified
        && (0..=GREATEST).contains(&event.sent_at_ms)
    {
        return Ok(());
    }
    id(event.shop_id, "shop_id")?;
    optional_id(event.conversation_id, "conversation_id")?;
    optional_id(event.buyer_id, "buyer_id")?;
    if event.conversation_id.is_empty() && event.buyer_id.is_empty() {
        return Err(Refusal::invalid("conversation_id", "required"));
    }
    required::<api::Sender>(event.sender, "sender")?;
    optional_id(event.agent_id, "agent_id")?;
    within(event.sent_at_ms, 0, GREATEST, "sent_at_ms")?;
    optional_id(event.event_id, "event_id")
}

fn transfer(request: &api::TransferRequest) -> Valid {
    use api::transfer_request::Target;
    id(&request.shop_id, "shop_id")?;
    id(&request.conversation_id, "conversation_id")?;
    optional_id(&request.request_id, "request_id")?;
    match &request.target {
        Some(Target::AgentId(agent_id)) => id(agent_id, "agent_id")?,
        Some(Target::GroupId(group_id)) => id(group_id, "group_id")?,
        None => return Err(Refusal::invalid("agent_id", "required")),
    }
    no_longer(&request.reason, 1024, "reason")
}

fn order(event: &api::OrderEvent) -> Valid {
    id(&event.shop_id, "shop_id")?;
    id(&event.buyer_id, "buyer_id")?;
    id(&event.order_id, "order_id")?;
    required::<api::OrderEventType>(event.r#type, "type")?;
    within(event.amount_cents, 0, GREATEST, "amount_cents")?;
    within(event.items, 0, 1000 * MILLION, "items")?;
    within(event.occurred_at_ms, 0, GREATEST, "occurred_at_ms")?;
    optional_id(&event.event_id, "event_id")
}

fn presence(shop_id: &str, agent_id: &str, status: i32, awaiting: Option<i32>) -> Valid {
    id(shop_id, "shop_id")?;
    id(agent_id, "agent_id")?;
    required::<api::PresenceStatus>(status, "status")?;
    within(awaiting.unwrap_or(0), 0, MILLION, "awaiting")
}

fn weights(request: &api::SetWeightsRequest) -> Valid {
    id(&request.shop_id, "shop_id")?;
    if request.weights.is_empty() || request.weights.len() > 20_000 {
        return Err(Refusal::invalid("weights", "must have 1..20000 elements"));
    }
    let mut named = Set::default();
    for (i, weight) in request.weights.iter().enumerate() {
        let agent_id = &weight.agent_id;
        id(agent_id, format_args!("weights[{i}].agent_id"))?;
        within(weight.weight, 0, 100, format_args!("weights[{i}].weight"))?;
        once(
            &mut named,
            agent_id.as_str(),
            format_args!("weights[{i}].agent_id"),
        )?;
    }
    Ok(())
}

fn shop(shop: &api::Shop) -> Valid {
    id(&shop.shop_id, "shop.shop_id")?;
    text(&shop.display_name, "shop.display_name")?;
    optional_id(&shop.owner_agent_id, "shop.owner_agent_id")?;
    if let Some(settings) = &shop.settings {
        self::settings(settings)?;
    }
    let agents = agents(&shop.agents)?;
    groups(&shop.groups, &agents)?;
    let buyer_agents = shop.settings.iter().flat_map(|s| &s.buyer_agents);
    for (i, buyer) in buyer_agents.enumerate() {
        if !agents.contains(buyer.agent_id.as_str()) {
            return Err(Refusal::invalid(
                format_args!("shop.settings.buyer_agents[{i}].agent_id"),
                "names an unknown agent",
            ));
        }
    }
    fits_together(shop)
}

/// What no part of the document can tell alone.
fn fits_together(shop: &api::Shop) -> Valid {
    use api::OfflineTarget::{Owner, Proxy};
    let settings = shop.settings.as_ref();
    let left_message = settings.is_some_and(|s| matches!(s.offline_target(), Proxy | Owner));
    if left_message && settings.is_some_and(|s| !s.robot_id.is_empty()) {
        let field = SettingName("offline_target");
        return Err(Refusal::invalid(field, "not while a robot is configured"));
    }
    let may_fill =
        |agent: &api::Agent| agent.cap > 0 || agent.daily_limit > 0 || agent.hourly_limit > 0;
    if shop.agents.iter().any(may_fill) {
        return Ok(());
    }
    let rule = "needs an agent with a cap or a volume";
    if settings.is_some_and(|s| s.queue_limit > 0) {
        return Err(Refusal::invalid(SettingName("queue_limit"), rule));
    }
    for (i, group) in shop.groups.iter().enumerate() {
        if group.when_unavailable() == api::UnavailablePolicy::Queue {
            let field = format_args!("shop.groups[{i}].when_unavailable");
            return Err(Refusal::invalid(field, rule));
        }
    }
    Ok(())
}

fn settings(settings: &api::ShopSettings) -> Valid {
    let at = |name: &'static str| SettingName(name);
    within(settings.busy_threshold(), 0, MILLION, at("busy_threshold"))?;
    known::<api::SelectionMode>(settings.selection_mode, at("selection_mode"))?;
    within(
        settings.sticky_window_ms(),
        0,
        NINETY_DAYS_MS,
        at("sticky_window_ms"),
    )?;
    within(
        settings.sticky_suspended_window_ms(),
        0,
        NINETY_DAYS_MS,
        at("sticky_suspended_window_ms"),
    )?;
    let mut named = Set::default();
    for (i, &dimension) in settings.binding_precedence.iter().enumerate() {
        let field = format_args!("shop.settings.binding_precedence[{i}]");
        element::<api::BindingDimension>(dimension, field)?;
        once(&mut named, dimension, field)?;
    }
    known::<api::ReceptionMode>(settings.reception_mode, at("reception_mode"))?;
    known::<api::ReceptionScope>(settings.reception_scope, at("reception_scope"))?;
    optional_id(&settings.robot_id, at("robot_id"))?;
    within(settings.robot_percent, 0, 100, at("robot_percent"))?;
    known::<api::OfflineTarget>(settings.offline_target, at("offline_target"))?;
    optional_id(&settings.proxy_agent_id, at("proxy_agent_id"))?;
    within(settings.queue_limit, 0, MILLION, at("queue_limit"))?;
    within(
        settings.queue_timeout_ms(),
        0,
        NINETY_DAYS_MS,
        at("queue_timeout_ms"),
    )?;
    within(
        settings.reply_timeout_ms,
        0,
        NINETY_DAYS_MS,
        at("reply_timeout_ms"),
    )?;
    within(settings.max_hops(), 0, 10, at("max_hops"))?;
    within(
        settings.idle_close_ms(),
        0,
        NINETY_DAYS_MS,
        at("idle_close_ms"),
    )?;
    within(
        settings.timestamp_skew_ms(),
        0,
        DAY_MS,
        at("timestamp_skew_ms"),
    )?;
    within(settings.longest_wait_ms(), 0, DAY_MS, at("longest_wait_ms"))?;
    within(settings.slow_gap_ms(), 0, DAY_MS, at("slow_gap_ms"))?;
    within(settings.slow_count(), 0, 1000, at("slow_count"))?;
    at_most(settings.buyer_agents.len(), 100_000, at("buyer_agents"))?;
    let mut buyers = Set::default();
    for (i, buyer) in settings.buyer_agents.iter().enumerate() {
        let buyer_field = format_args!("shop.settings.buyer_agents[{i}].buyer_id");
        id(&buyer.buyer_id, buyer_field)?;
        id(
            &buyer.agent_id,
            format_args!("shop.settings.buyer_agents[{i}].agent_id"),
        )?;
        once(&mut buyers, buyer.buyer_id.as_str(), buyer_field)?;
    }
    Ok(())
}

/// A setting's field, put together only when it is refused.
struct SettingName(&'static str);

impl Display for SettingName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "shop.settings.{}", self.0)
    }
}

/// Checks the agents; returns their ids.
fn agents(agents: &[api::Agent]) -> Result<Set<&str>, Refusal> {
    at_most(agents.len(), 20_000, "shop.agents")?;
    let mut named = Set::default();
    for (i, agent) in agents.iter().enumerate() {
        let agent_id = format_args!("shop.agents[{i}].agent_id");
        id(&agent.agent_id, agent_id)?;
        text(
            &agent.display_name,
            format_args!("shop.agents[{i}].display_name"),
        )?;
        within(
            agent.weight(),
            0,
            100,
            format_args!("shop.agents[{i}].weight"),
        )?;
        within(agent.cap, 0, MILLION, format_args!("shop.agents[{i}].cap"))?;
        let daily = format_args!("shop.agents[{i}].daily_limit");
        within(agent.daily_limit, 0, MILLION, daily)?;
        let hourly = format_args!("shop.agents[{i}].hourly_limit");
        within(agent.hourly_limit, 0, MILLION, hourly)?;
        permissions(&agent.permissions, i)?;
        once(&mut named, agent.agent_id.as_str(), agent_id)?;
    }
    Ok(named)
}

fn permissions(permissions: &[String], i: usize) -> Valid {
    let mut named = Set::default();
    for (j, permission) in permissions.iter().enumerate() {
        let field = format_args!("shop.agents[{i}].permissions[{j}]");
        if permission != MANAGE {
            return Err(Refusal::invalid(field, "unknown value"));
        }
        once(&mut named, permission.as_str(), field)?;
    }
    Ok(())
}

fn groups(groups: &[api::Group], agents: &Set<&str>) -> Valid {
    at_most(groups.len(), 1000, "shop.groups")?;
    let mut named = Set::default();
    // Each agent with the last group that named it: one map serves all groups.
    let mut named_by: Map<&str, usize> = Map::default();
    for (i, group) in groups.iter().enumerate() {
        let group_id = format_args!("shop.groups[{i}].group_id");
        id(&group.group_id, group_id)?;
        text(
            &group.display_name,
            format_args!("shop.groups[{i}].display_name"),
        )?;
        at_most(
            group.agent_ids.len(),
            20_000,
            format_args!("shop.groups[{i}].agent_ids"),
        )?;
        for (j, agent) in group.agent_ids.iter().enumerate() {
            let field = format_args!("shop.groups[{i}].agent_ids[{j}]");
            id(agent, field)?;
            if !agents.contains(agent.as_str()) {
                return Err(Refusal::invalid(field, "names an unknown agent"));
            }
            if named_by.insert(agent, i) == Some(i) {
                return Err(Refusal::invalid(field, "named twice"));
            }
        }
        within(
            group.priority,
            0,
            MILLION,
            format_args!("shop.groups[{i}].priority"),
        )?;
        if let Some(bindings) = &group.bindings {
            self::bindings(bindings, i)?;
        }
        let policy = format_args!("shop.groups[{i}].when_unavailable");
        known::<api::UnavailablePolicy>(group.when_unavailable, policy)?;
        let mode = format_args!("shop.groups[{i}].reception_mode");
        known::<api::ReceptionMode>(group.reception_mode, mode)?;
        within(
            group.robot_percent,
            0,
            100,
            format_args!("shop.groups[{i}].robot_percent"),
        )?;
        once(&mut named, group.group_id.as_str(), group_id)?;
    }
    Ok(())
}

fn bindings(bindings: &api::Bindings, i: usize) -> Valid {
    bound_ids(&bindings.product_ids, i, "product_ids")?;
    bound_ids(&bindings.intents, i, "intents")?;
    at_most(
        bindings.order_statuses.len(),
        10_000,
        format_args!("shop.groups[{i}].bindings.order_statuses"),
    )?;
    let mut named = Set::default();
    for (j, &status) in bindings.order_statuses.iter().enumerate() {
        let field = format_args!("shop.groups[{i}].bindings.order_statuses[{j}]");
        element::<api::OrderStatus>(status, field)?;
        once(&mut named, status, field)?;
    }
    bound_ids(&bindings.page_sources, i, "page_sources")
}

fn bound_ids(values: &[String], i: usize, list: &str) -> Valid {
    at_most(
        values.len(),
        10_000,
        format_args!("shop.groups[{i}].bindings.{list}"),
    )?;
    let mut named = Set::default();
    for (j, value) in values.iter().enumerate() {
        let field = format_args!("shop.groups[{i}].bindings.{list}[{j}]");
        id(value, field)?;
        once(&mut named, value.as_str(), field)?;
    }
    Ok(())
}

/// The id rule.
pub fn id(value: &str, field: impl Display) -> Valid {
    if value.is_empty() {
        return Err(Refusal::invalid(field, "required"));
    }
    optional_id(value, field)
}

/// The id rule for an id that may be empty.
pub fn optional_id(value: &str, field: impl Display) -> Valid {
    short(value, 128, field)
}

fn text(value: &str, field: impl Display) -> Valid {
    short(value, 256, field)
}

fn short(value: &str, longest: usize, field: impl Display) -> Valid {
    no_longer(value, longest, &field)?;
    if !is_plain(value.as_bytes()) && value.chars().any(char::is_control) {
        return Err(Refusal::invalid(field, "no control characters"));
    }
    Ok(())
}

/// Whether all bytes are from ' ' to '~', as nearly every text's are: sixteen at a time.
pub fn is_plain(text: &[u8]) -> bool {
    let Some(last) = text.last_chunk() else {
        return text.iter().all(|byte| (b' '..=b'~').contains(byte));
    };
    let (sixteens, _) = text.as_chunks();
    let mut plain = are_plain(last);
    for sixteen in sixteens {
        plain &= are_plain(sixteen);
    }
    plain
}

fn are_plain(bytes: &[u8; 16]) -> bool {
    let mut strange = false;
    for byte in bytes {
        strange |= !(b' '..=b'~').contains(byte);
    }
    !strange
}

fn no_longer(value: &str, longest: usize, field: impl Display) -> Valid {
    if value.len() <= longest {
        return Ok(());
    }
    let rule = format_args!("at most {longest} bytes");
    Err(Refusal::invalid(field, rule))
}

/// A number's range, both ends included.
pub fn within(value: impl Into<i64>, min: i64, max: i64, field: impl Display) -> Valid {
    if (min..=max).contains(&value.into()) {
        return Ok(());
    }
    Err(Refusal::invalid(
        field,
        format_args!("must be within {min}..{max}"),
    ))
}

fn at_most(length: usize, most: usize, field: impl Display) -> Valid {
    if length <= most {
        return Ok(());
    }
    Err(Refusal::invalid(
        field,
        format_args!("at most {most} elements"),
    ))
}

/// An enum that may be left out.
fn known<E: TryFrom<i32>>(value: i32, field: impl Display) -> Valid {
    match E::try_from(value) {
        Ok(_) => Ok(()),
        Err(_) => Err(Refusal::invalid(field, "unknown value")),
    }
}

/// An enum that must be given.
fn required<E: TryFrom<i32>>(value: i32, field: impl Display) -> Valid {
    if value == 0 {
        return Err(Refusal::invalid(field, "required"));
    }
    known::<E>(value, field)
}

/// An enum in a list, where 0 has no meaning.
fn element<E: TryFrom<i32>>(value: i32, field: impl Display) -> Valid {
    if value == 0 {
        return Err(Refusal::invalid(field, "unknown value"));
    }
    known::<E>(value, field)
}

fn once<T: std::hash::Hash + Eq>(named: &mut Set<T>, value: T, field: impl Display) -> Valid {
    if named.insert(value) {
        return Ok(());
    }
    Err(Refusal::invalid(field, "named twice"))
}

#[cfg(test)]
mod tests {
    use super::is_plain;

    #[test]
    fn a_text_is_plain_if_each_of_its_bytes_is() {
        for length in 0..40 {
            assert!(is_plain(&vec![b' '; length]));
            for at in 0..length {
                for byte in 0..=u8::MAX {
                    let mut text = vec![b'~'; length];
                    text[at] = byte;
                    assert_eq!(is_plain(&text), (b' '..=b'~').contains(&byte), "{text:?}");
                }
            }
        }
    }
}
