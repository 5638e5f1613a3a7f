//! The shop document: its resolved form, and what it says laid out for deciding. Knows no shop.

use crate::facts::{Name, name};
use crate::inquiry::Asked;
use crate::maps::Map;
use crate::names::Names;
use crate::proto::fenliu::v1 as api;
use api::{OfflineTarget, ReceptionMode, UnavailablePolicy};

/// The document with every default filled in and every list sorted; without an etag.
pub fn resolve(shop: &api::Shop) -> api::Shop {
    let given = shop.settings.clone().unwrap_or_default();
    let mut settings = api::ShopSettings {
        busy_threshold: Some(given.busy_threshold.unwrap_or(4)),
        selection_mode: or_default(given.selection_mode, api::SelectionMode::Weighted as i32),
        sticky_window_ms: Some(given.sticky_window_ms.unwrap_or(259_200_000)),
        sticky_suspended_window_ms: Some(given.sticky_suspended_window_ms.unwrap_or(86_400_000)),
        reception_mode: or_default(given.reception_mode, api::ReceptionMode::HumanFirst as i32),
        reception_scope: or_default(given.reception_scope, api::ReceptionScope::Shop as i32),
        offline_target: or_default(given.offline_target, api::OfflineTarget::Pool as i32),
        queue_timeout_ms: Some(given.queue_timeout_ms.unwrap_or(600_000)),
        max_hops: Some(given.max_hops.unwrap_or(3)),
        idle_close_ms: Some(given.idle_close_ms.unwrap_or(1_800_000)),
        timestamp_skew_ms: Some(given.timestamp_skew_ms.unwrap_or(300_000)),
        longest_wait_ms: Some(given.longest_wait_ms.unwrap_or(600_000)),
        slow_gap_ms: Some(given.slow_gap_ms.unwrap_or(120_000)),
        slow_count: Some(given.slow_count.unwrap_or(3)),
        ..given
    };
    if settings.binding_precedence.is_empty() {
        use api::BindingDimension::{Intent, OrderStatus, PageSource, Product};
        settings.binding_precedence = [Product, Intent, OrderStatus, PageSource]
            .map(i32::from)
            .into();
    }
    settings
        .buyer_agents
        .sort_by(|a, b| a.buyer_id.cmp(&b.buyer_id));

    let mut agents = shop.agents.clone();
    for agent in &mut agents {
        agent.weight.get_or_insert(5);
        agent.permissions.sort();
    }
    agents.sort_by(|a, b| a.agent_id.cmp(&b.agent_id));

    let mut groups = shop.groups.clone();
    for group in &mut groups {
        group.agent_ids.sort();
        let bindings = group.bindings.get_or_insert_default();
        bindings.product_ids.sort();
        bindings.intents.sort();
        bindings.order_statuses.sort_unstable();
        bindings.page_sources.sort();
        group.when_unavailable =
            or_default(group.when_unavailable, api::UnavailablePolicy::Spill as i32);
        group.reception_mode =
            or_default(group.reception_mode, api::ReceptionMode::HumanFirst as i32);
    }
    groups.sort_by(|a, b| a.group_id.cmp(&b.group_id));

    api::Shop {
        shop_id: shop.shop_id.clone(),
        display_name: shop.display_name.clone(),
        owner_agent_id: shop.owner_agent_id.clone(),
        settings: Some(settings),
        agents,
        groups,
        etag: String::new(),
    }
}

fn or_default(value: i32, default: i32) -> i32 {
    if value == 0 { default } else { value }
}

/// What a stored document says, laid out for deciding.
#[derive(Default)]
pub struct Lookup {
    pub busy_threshold: i64,
    pub even: bool,
    pub sticky_window_ms: i64,
    pub sticky_suspended_window_ms: i64,
    pub precedence: Vec<i32>,
    pub charge_sticky: bool,
    pub reception_mode: ReceptionMode,
    /// Each group has its own reception mode.
    pub mode_by_group: bool,
    /// None: no robot.
    pub robot_id: Name,
    pub robot_percent: i32,
    pub queue_limit: usize,
    pub queue_timeout_ms: i64,
    pub reply_timeout_ms: i64,
    pub max_hops: i64,
    pub offline_target: OfflineTarget,
    pub proxy_agent_id: Name,
    pub owner_agent_id: Name,
    pub idle_close_ms: i64,
    pub timestamp_skew_ms: i64,
    /// By id; a group's place here is its index everywhere.
    pub groups: Vec<Group>,
    /// Of the groups, also of those that are gone.
    pub names: Names,
    /// The first of all groups by (priority, id).
    pub first_group: Option<u32>,
    /// Dedicated agents by buyer.
    pub buyer_agents: Map<Box<str>, u32>,
    pub products: Bound<Box<str>>,
    pub intents: Bound<Box<str>>,
    pub order_statuses: Bound<i32>,
    pub page_sources: Bound<Box<str>>,
    /// Whether any group is bound to any value.
    pub binds: bool,
}

/// The groups bound to a value, by index.
type Bound<T> = Map<T, Vec<u32>>;

pub struct Group {
    /// The number of its id among the names.
    pub name: u32,
    pub agents: Vec<u32>,
    /// Place by (priority, id).
    pub rank: u32,
    pub when_unavailable: UnavailablePolicy,
    pub reception_mode: ReceptionMode,
    pub robot_percent: i32,
}

impl Lookup {
    /// `slot` gives the slot of an agent of the document; `names` are those there were before.
    pub fn new(document: &api::Shop, mut names: Names, slot: impl Fn(&str) -> u32) -> Self {
        let settings = document.settings.clone().unwrap_or_default();
        let mut lookup = Self {
            busy_threshold: settings.busy_threshold().into(),
            even: settings.selection_mode() == api::SelectionMode::Even,
            sticky_window_ms: settings.sticky_window_ms(),
            sticky_suspended_window_ms: settings.sticky_suspended_window_ms(),
            charge_sticky: settings.charge_sticky,
            reception_mode: settings.reception_mode(),
            mode_by_group: settings.reception_scope() == api::ReceptionScope::Group,
            robot_percent: settings.robot_percent,
            queue_limit: usize::try_from(settings.queue_limit).unwrap_or(0),
            queue_timeout_ms: settings.queue_timeout_ms(),
            reply_timeout_ms: settings.reply_timeout_ms,
            max_hops: settings.max_hops().into(),
            offline_target: settings.offline_target(),
            idle_close_ms: settings.idle_close_ms(),
            timestamp_skew_ms: settings.timestamp_skew_ms(),
            precedence: settings.binding_precedence,
            robot_id: name(&settings.robot_id),
            proxy_agent_id: name(&settings.proxy_agent_id),
            owner_agent_id: name(&document.owner_agent_id),
            ..Self::default()
        };
        for buyer in &settings.buyer_agents {
            lookup
                .buyer_agents
                .insert(buyer.buyer_id.as_str().into(), slot(&buyer.agent_id));
        }
        names.take_all();
        for (index, group) in (0..).zip(&document.groups) {
            let name = names.number(&group.group_id);
            names.give(name, index);
            let agents = group.agent_ids.iter().map(|id| slot(id)).collect();
            lookup.groups.push(Group {
                name,
                agents,
                rank: 0,
                when_unavailable: group.when_unavailable(),
                reception_mode: group.reception_mode(),
                robot_percent: group.robot_percent,
            });
            let Some(bindings) = &group.bindings else {
                continue;
            };
            bind(&mut lookup.products, &bindings.product_ids, index);
            bind(&mut lookup.intents, &bindings.intents, index);
            bind(&mut lookup.page_sources, &bindings.page_sources, index);
            for &status in &bindings.order_statuses {
                lookup.order_statuses.entry(status).or_default().push(index);
            }
        }
        let order = by_priority(document);
        for (rank, &index) in (0..).zip(&order) {
            lookup.groups[index as usize].rank = rank;
        }
        lookup.first_group = order.first().copied();
        lookup.names = names;
        lookup.binds = !(lookup.products.is_empty()
            && lookup.intents.is_empty()
            && lookup.order_statuses.is_empty()
            && lookup.page_sources.is_empty());
        lookup
    }

    /// The id of the group with this index.
    pub fn group_id(&self, index: u32) -> &str {
        self.names.text(self.groups[index as usize].name)
    }

    /// The index of the group with this id.
    pub fn group_index(&self, id: &str) -> Option<u32> {
        self.names.group(id)
    }

    /// How long a contact exists.
    pub fn contact_lifetime_ms(&self) -> i64 {
        self.sticky_window_ms.max(self.sticky_suspended_window_ms)
    }

    /// The groups bound to the inquiry's value in one dimension; empty when it has none.
    pub fn bound(&self, dimension: i32, inquiry: &Asked) -> &[u32] {
        use api::BindingDimension as D;
        let groups = match D::try_from(dimension) {
            Ok(D::Product) => self.products.get(inquiry.product_id),
            Ok(D::Intent) => self.intents.get(inquiry.intent),
            Ok(D::OrderStatus) => self.order_statuses.get(&inquiry.order_status),
            Ok(D::PageSource) => self.page_sources.get(inquiry.page_source),
            Ok(D::Unspecified) | Err(_) => None,
        };
        groups.map_or(&[], Vec::as_slice)
    }
}

/// Whether all agents that groups and `buyer_agents` name are there: else it is no stored document.
pub fn knows_its_agents(document: &api::Shop) -> bool {
    let agents: Map<&str, ()> = document
        .agents
        .iter()
        .map(|agent| (agent.agent_id.as_str(), ()))
        .collect();
    let known = |id: &String| agents.contains_key(id.as_str());
    let buyers = document.settings.iter().flat_map(|s| &s.buyer_agents);
    document.groups.iter().flat_map(|g| &g.agent_ids).all(known)
        && buyers.map(|buyer| &buyer.agent_id).all(known)
}

/// Indexes of the groups by (priority, id).
pub fn by_priority(document: &api::Shop) -> Vec<u32> {
    let mut order: Vec<u32> = (0..).take(document.groups.len()).collect();
    order.sort_by_key(|&index| document.groups[index as usize].priority);
    order
}

fn bind(bound: &mut Bound<Box<str>>, values: &[String], group: u32) {
    for value in values {
        bound.entry(value.as_str().into()).or_default().push(group);
    }
}
