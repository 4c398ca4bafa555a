//! What a media controller tells of a camera: what there is, and what is connected with what.  Pure.

use std::collections::VecDeque;
use std::fmt;

/// Data goes along it.
const ENABLED: u32 = 1 << 0;
/// It is as it is for ever.
const IMMUTABLE: u32 = 1 << 1;

/// A sensor for pictures (`MEDIA_ENT_F_CAM_SENSOR`).
const SENSOR: u32 = 0x2_0001;
/// What hands data on as it is: between buses (`MEDIA_ENT_F_VID_IF_BRIDGE`), and from one of several (`…_VID_MUX`).
const BRIDGES: [u32; 2] = [0x5002, 0x5001];

/// A thing that pictures come from, go through, or end at.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in super::super) struct Entity {
    pub(super) id: u32,
    pub(super) name: String,
    pub(super) function: u32,
}

/// A device node through which an entity is reached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Node {
    pub(super) entity: u32,
    /// Major and minor number.
    pub(super) device: (u32, u32),
    /// Whether it is a sub-device's, and no video device's.
    pub(super) is_subdevice: bool,
}

/// Where data enters or leaves an entity.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Pad {
    pub(super) id: u32,
    pub(super) entity: u32,
    pub(super) index: u32,
    pub(super) is_source: bool,
}

/// A way of data from a pad to a pad.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Link {
    pub(super) source: u32,
    pub(super) sink: u32,
    pub(super) flags: u32,
}

impl Link {
    pub(super) const fn is_enabled(&self) -> bool {
        self.flags & ENABLED != 0
    }

    pub(super) const fn is_immutable(&self) -> bool {
        self.flags & IMMUTABLE != 0
    }

    /// Its flags, switched on or off.
    pub(super) const fn switched(&self, on: bool) -> u32 {
        if on { self.flags | ENABLED } else { self.flags & !ENABLED }
    }
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Graph {
    pub(super) entities: Vec<Entity>,
    pub(super) nodes: Vec<Node>,
    pub(super) pads: Vec<Pad>,
    pub(super) links: Vec<Link>,
}

/// The way of pictures from a sensor to a video node.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Route {
    /// The sensor.
    pub(super) sensor: u32,
    /// From the sensor on; at least one.
    pub(super) links: Vec<Link>,
}

/// What a way may go through.
pub(in super::super) type MayPass = fn(&Entity) -> bool;

/// Whether an entity leaves the sensor's pictures as they are.
pub(super) fn is_bridge(entity: &Entity) -> bool {
    BRIDGES.contains(&entity.function)
}

impl Graph {
    pub(super) fn entity(&self, id: u32) -> Option<&Entity> {
        self.entities.iter().find(|entity| entity.id == id)
    }

    pub(super) fn pad(&self, id: u32) -> Option<&Pad> {
        self.pads.iter().find(|pad| pad.id == id)
    }

    /// An entity's sub-device node.
    pub(super) fn subdevice(&self, entity: u32) -> Option<(u32, u32)> {
        self.nodes.iter().find(|node| node.is_subdevice && node.entity == entity).map(|node| node.device)
    }

    /// The shortest way from a sensor to the entity `end`, through nothing but what `may_pass`.
    pub(super) fn route(&self, end: u32, may_pass: MayPass) -> Option<Route> {
        let mut ways: VecDeque<_> = self.pads_of(end, false).map(|pad| (pad.id, Vec::new())).collect();
        let mut seen = Vec::new();
        while let Some((sink, way)) = ways.pop_front() {
            if seen.contains(&sink) {
                continue;
            }
            seen.push(sink);
            for link in self.links.iter().filter(|link| link.sink == sink) {
                let Some(source) = self.pad(link.source) else { continue };
                let Some(entity) = self.entity(source.entity) else { continue };
                let way: Vec<_> = [*link].iter().chain(&way).copied().collect();
                if entity.function == SENSOR {
                    return Some(Route { sensor: entity.id, links: way });
                }
                if may_pass(entity) {
                    ways.extend(self.behind(source).map(|pad| (pad.id, way.clone())));
                }
            }
        }
        None
    }

    /// The links that something else than this way has left on, and that can be switched off.
    pub(super) fn others(&self, route: &Route) -> impl Iterator<Item = &Link> {
        self.links.iter().filter(|link| link.is_enabled() && !link.is_immutable() && !route.has(link))
    }

    /// The links along which an entity's data go once this way is set up, and no other.
    pub(super) fn leaving(&self, entity: u32, route: &Route) -> impl Iterator<Item = &Link> {
        self.pads_of(entity, true).flat_map(move |pad| {
            let is_on = |link: &&Link| route.has(link) || (link.is_enabled() && link.is_immutable());
            self.links.iter().filter(move |link| link.source == pad.id).filter(is_on)
        })
    }

    /// The pads through which comes what leaves by `source`.
    ///
    /// Who has as many ins as outs (a receiver with its channels) hands on from the first to the first, and so on: the
    /// kernel does not tell, and where formats are set it shows.
    fn behind(&self, source: &Pad) -> impl Iterator<Item = &Pad> {
        let sinks = self.pads_of(source.entity, false).count();
        let place = self.pads_of(source.entity, true).position(|pad| pad.id == source.id);
        let is_one_to_one = sinks == self.pads_of(source.entity, true).count();
        let only = place.filter(|_| is_one_to_one);
        self.pads_of(source.entity, false)
            .enumerate()
            .filter(move |(number, _)| only.is_none_or(|only| only == *number))
            .map(|(_, pad)| pad)
    }

    /// An entity's pads, in or out, by index.
    fn pads_of(&self, entity: u32, is_source: bool) -> impl Iterator<Item = &Pad> {
        let is_wanted = move |pad: &&Pad| pad.entity == entity && pad.is_source == is_source;
        let mut pads: Vec<_> = self.pads.iter().filter(is_wanted).collect();
        pads.sort_by_key(|pad| pad.index);
        pads.into_iter()
    }

    /// A pad as people write it: the entity's name and the pad's number.
    pub(super) fn name(&self, pad: u32) -> String {
        let pad = self.pad(pad);
        let entity = pad.and_then(|pad| self.entity(pad.entity)).map_or("?", |entity| &entity.name);
        format!("“{entity}”:{}", pad.map_or(0, |pad| pad.index))
    }
}

impl Route {
    fn has(&self, link: &Link) -> bool {
        self.links.iter().any(|own| (own.source, own.sink) == (link.source, link.sink))
    }

    /// The pad that the sensor's pictures leave it by.
    pub(super) fn start(&self) -> u32 {
        self.links[0].source
    }

    /// The pad behind which is the video node.
    pub(super) fn end(&self) -> u32 {
        self.links[self.links.len() - 1].source
    }

    /// For the log.
    pub(super) fn shown(&self, graph: &Graph) -> impl fmt::Display {
        let mut shown = graph.name(self.start());
        for link in &self.links {
            shown += " → ";
            shown += &graph.name(link.sink);
        }
        shown
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Draws a graph: entities by name and function, of which pads are `ins` before `outs`, and links between them.
    pub(in super::super) fn graph(
        entities: &[(&str, u32, u32, u32)],
        links: &[(&str, u32, &str, u32, u32)],
    ) -> Graph {
        let mut graph = Graph::default();
        for (number, &(name, function, ins, outs)) in (1..).zip(entities) {
            let id = number * 100;
            graph.entities.push(Entity { id, name: name.to_owned(), function });
            let pad = |index| Pad { id: id + 1 + index, entity: id, index, is_source: index >= ins };
            graph.pads.extend((0..ins + outs).map(pad));
            let is_subdevice = function != VIDEO;
            graph.nodes.push(Node { entity: id, device: (81, number), is_subdevice });
        }
        let pad = |graph: &Graph, name: &str, index| {
            graph.entities.iter().find(|entity| entity.name == name).unwrap().id + 1 + index
        };
        for &(from, out, to, into, flags) in links {
            let link = Link { source: pad(&graph, from, out), sink: pad(&graph, to, into), flags };
            graph.links.push(link);
        }
        graph
    }

    const VIDEO: u32 = 0x1_0001;
    const SCALER: u32 = 0x4005;
    const BRIDGE: u32 = BRIDGES[0];
    const FIXED: u32 = ENABLED | IMMUTABLE;

    /// A Raspberry Pi 5's receiver (rp1-cfe of the Pi's kernel 6.6) with an IMX219, by its source.
    fn pi_5() -> Graph {
        graph(
            &[
                ("csi2", BRIDGE, 4, 4),
                ("pisp-fe", SCALER, 2, 3),
                ("csi2_ch0", VIDEO, 1, 0),
                ("embedded", VIDEO, 1, 0),
                ("csi2_ch2", VIDEO, 1, 0),
                ("fe_image0", VIDEO, 1, 0),
                ("fe_config", VIDEO, 0, 1),
                ("imx219 10-0010", SENSOR, 0, 2),
            ],
            &[
                ("imx219 10-0010", 0, "csi2", 0, FIXED),
                ("csi2", 4, "csi2_ch0", 0, 0),
                ("csi2", 4, "pisp-fe", 0, 0),
                ("imx219 10-0010", 1, "csi2", 1, FIXED),
                ("csi2", 5, "embedded", 0, 0),
                ("csi2", 6, "csi2_ch2", 0, 0),
                ("csi2", 6, "pisp-fe", 0, 0),
                ("pisp-fe", 2, "fe_image0", 0, 0),
                ("fe_config", 0, "pisp-fe", 1, 0),
            ],
        )
    }

    fn id(graph: &Graph, name: &str) -> u32 {
        graph.entities.iter().find(|entity| entity.name == name).unwrap().id
    }

    fn way(graph: &Graph, end: &str, may_pass: MayPass) -> Option<String> {
        let route = graph.route(id(graph, end), may_pass)?;
        Some(route.shown(graph).to_string())
    }

    #[test]
    fn the_way_on_a_pi_5_is_that_of_the_sensors_first_pad_through_the_receiver() {
        let graph = pi_5();
        let shown = "“imx219 10-0010”:0 → “csi2”:0 → “csi2_ch0”:0";
        assert_eq!(way(&graph, "csi2_ch0", is_bridge).as_deref(), Some(shown));
        // Its second pad has no pictures; who reads that node is told so by its capabilities.
        let shown = "“imx219 10-0010”:1 → “csi2”:1 → “embedded”:0";
        assert_eq!(way(&graph, "embedded", is_bridge).as_deref(), Some(shown));
    }

    #[test]
    fn a_channel_without_a_sensor_and_what_works_on_pictures_are_no_cameras() {
        let graph = pi_5();
        for node in ["csi2_ch2", "fe_image0", "fe_config", "csi2"] {
            let expected = (node == "csi2").then(|| "“imx219 10-0010”:0 → “csi2”:0".to_owned());
            assert_eq!(way(&graph, node, is_bridge), expected, "{node}");
        }
        // It would be a way if it may change them.
        assert!(way(&graph, "fe_image0", |_| true).unwrap().ends_with("“pisp-fe”:0 → “fe_image0”:0"));
    }

    #[test]
    fn what_is_enabled_beside_the_way_and_what_leaves_the_sensor_is_named() {
        let mut graph = pi_5();
        for number in [2, 5] {
            graph.links[number].flags |= ENABLED;
        }
        let route = graph.route(id(&graph, "csi2_ch0"), is_bridge).unwrap();
        let names = |links: Vec<&Link>| -> Vec<String> {
            links
                .iter()
                .map(|link| format!("{} {}", graph.name(link.source), graph.name(link.sink)))
                .collect()
        };
        assert_eq!(names(graph.others(&route).collect()), ["“csi2”:4 “pisp-fe”:0", "“csi2”:6 “csi2_ch2”:0"]);
        assert_eq!(
            names(graph.leaving(route.sensor, &route).collect()),
            ["“imx219 10-0010”:0 “csi2”:0", "“imx219 10-0010”:1 “csi2”:1"]
        );
        assert_eq!(names(graph.leaving(id(&graph, "csi2"), &route).collect()), ["“csi2”:4 “csi2_ch0”:0"]);
        assert_eq!((graph.name(route.start()), graph.name(route.end())).1, "“csi2”:4");
    }

    #[test]
    fn a_circle_and_links_to_nowhere_have_an_end() {
        let entities = [("a", BRIDGE, 1, 1), ("b", BRIDGE, 1, 1), ("node", VIDEO, 1, 0)];
        let mut graph = graph(&entities, &[("a", 1, "b", 0, 1), ("b", 1, "a", 0, 1), ("b", 1, "node", 0, 1)]);
        assert_eq!(way(&graph, "node", is_bridge), None);
        graph.links.push(Link { source: 9999, sink: id(&graph, "node") + 1, flags: 0 });
        assert_eq!(way(&graph, "node", is_bridge), None);
    }
}
