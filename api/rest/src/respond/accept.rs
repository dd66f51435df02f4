//! Content negotiation: what form and encoding an answer takes.

use gantry_meta::{Reason, Status};

/// How bytes are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Encoding {
    #[default]
    Json,
    Yaml,
    /// Objects, lists, errors, watches and metadata alone of built-in kinds, and discovery; no tables and no other documents.
    Protobuf,
}

const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
/// More than any client names.
const INSERTED_MAX: usize = 64;

impl Encoding {
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Yaml => "application/yaml",
            Self::Protobuf => PROTOBUF,
        }
    }
}

/// What is written: the object itself, or a view of it (`as=` in the Accept header).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Form {
    #[default]
    Object,
    Table(ViewVersion),
    PartialObjectMetadata(ViewVersion),
    PartialObjectMetadataList(ViewVersion),
}

/// The version of `meta.k8s.io` that a view is written in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ViewVersion {
    V1,
    V1Beta1,
}

impl ViewVersion {
    pub fn api_version(self) -> &'static str {
        match self {
            Self::V1 => "meta.k8s.io/v1",
            Self::V1Beta1 => "meta.k8s.io/v1beta1",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Accepted {
    pub encoding: Encoding,
    pub form: Form,
}

/// Which `as=` forms an answer can take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Offer {
    /// Only the thing itself, which is no object (version, paths).
    Plain,
    /// Only the thing itself, in the legacy form of discovery.
    Discovery,
    One,
    /// One object of a kind that has no tables.
    Untabled,
    Many,
    /// Events carry single objects, but informers name the list form too.
    Watch,
    /// A Status, which has no other form.
    Error,
}

/// Chooses by the header's qualities; a tie goes to the first. No header, or an empty one, takes JSON.
pub fn negotiate(header: Option<&str>, offer: Offer) -> Result<Accepted, Status> {
    let Some(header) = header.filter(|h| !h.trim().is_empty()) else { return Ok(Accepted::default()) };
    if header == "application/json" || header == "*/*" {
        return Ok(Accepted::default());
    }
    let clauses = clauses(header);
    if let Some(accepted) = clauses.iter().find_map(|clause| clause.accepted(offer)) {
        return Ok(accepted);
    }
    Err(refusal(
        clauses.iter().any(|clause| clause.names_known_type()) || matches!(offer, Offer::Plain | Offer::Discovery),
    ))
}

/// The encoding of an error's body: the first that is taken without a form, else JSON.
pub fn error_encoding(header: Option<&str>) -> Encoding {
    negotiate(header, Offer::Error).map_or(Encoding::Json, |accepted| accepted.encoding)
}

/// The encoding of aggregated discovery (`apidiscovery.k8s.io/v2`), if the client takes that at all: it comes before the
/// legacy form, whatever the qualities.
pub fn aggregated_discovery(header: Option<&str>) -> Option<Encoding> {
    let clauses = clauses(header.unwrap_or_default());
    clauses.iter().find(|clause| clause.is_aggregated_discovery())?.encoding()
}

/// What the header names, best first: by quality, but a wildcard gives way to what is named in full after it. That is no order
/// of all clauses, so that they are inserted one by one, which takes a time that grows with the square of their number.
fn clauses(header: &str) -> Vec<Clause<'_>> {
    let mut clauses: Vec<Clause<'_>> = header.split(',').filter_map(Clause::parse).collect();
    if clauses.len() > INSERTED_MAX {
        clauses.sort_by(|a, b| b.quality.total_cmp(&a.quality).then(a.is_wildcard().cmp(&b.is_wildcard())));
        return clauses;
    }
    for sorted in 1..clauses.len() {
        for at in (1..=sorted).rev() {
            if !clauses[at].comes_before(&clauses[at - 1]) {
                break;
            }
            clauses.swap(at, at - 1);
        }
    }
    clauses
}

fn refusal(known_type: bool) -> Status {
    let message = "only the following media types are accepted: application/json, application/yaml, \
                   application/vnd.kubernetes.protobuf";
    let status = Status::failure(Reason::NotAcceptable, message);
    if known_type { status } else { status.with_empty_details() }
}

struct Clause<'a> {
    media_type: &'a str,
    quality: f32,
    form: &'a str,
    version: &'a str,
    group: &'a str,
    stream: &'a str,
}

impl<'a> Clause<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let media_type = parts.next().filter(|t| !t.is_empty())?;
        let mut clause = Self { media_type, quality: 1.0, form: "", version: "", group: "", stream: "" };
        for (name, value) in parts.filter_map(|p| p.split_once('=')) {
            match name.trim() {
                "q" => clause.quality = value.trim().parse().unwrap_or(1.0),
                "as" => clause.form = value,
                "v" => clause.version = value,
                "g" => clause.group = value,
                "stream" => clause.stream = value,
                _ => {}
            }
        }
        Some(clause)
    }

    fn comes_before(&self, other: &Self) -> bool {
        self.quality > other.quality || (!self.is_wildcard() && other.is_wildcard())
    }

    fn is_wildcard(&self) -> bool {
        self.media_type.ends_with("/*")
    }

    fn encoding(&self) -> Option<Encoding> {
        match self.media_type {
            "application/json" | "*/*" => Some(Encoding::Json),
            "application/yaml" => Some(Encoding::Yaml),
            PROTOBUF => Some(Encoding::Protobuf),
            _ => None,
        }
    }

    fn names_known_type(&self) -> bool {
        self.encoding().is_some()
    }

    fn is_aggregated_discovery(&self) -> bool {
        self.encoding().is_some()
            && (self.form, self.version, self.group) == ("APIGroupDiscoveryList", "v2", "apidiscovery.k8s.io")
    }

    fn accepted(&self, offer: Offer) -> Option<Accepted> {
        let encoding = self.encoding()?;
        if !matches!(self.stream, "" | "watch") {
            return None;
        }
        if self.form.is_empty() {
            let fits = encoding != Encoding::Protobuf || offer != Offer::Plain;
            return fits.then_some(Accepted { encoding, form: Form::Object });
        }
        let version = match (self.group, self.version) {
            ("meta.k8s.io", "v1") => ViewVersion::V1,
            ("meta.k8s.io", "v1beta1") => ViewVersion::V1Beta1,
            _ => return None,
        };
        let form = match (self.form, offer) {
            // Cells may be of any type, for which protobuf has no form.
            ("Table", _) if encoding == Encoding::Protobuf => return None,
            ("Table", Offer::One | Offer::Many | Offer::Watch) => Form::Table(version),
            ("PartialObjectMetadata", Offer::One | Offer::Untabled | Offer::Watch) => {
                Form::PartialObjectMetadata(version)
            }
            ("PartialObjectMetadataList", Offer::Many | Offer::Watch) => Form::PartialObjectMetadataList(version),
            _ => return None,
        };
        Some(Accepted { encoding, form })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoding(header: &str) -> Option<Encoding> {
        negotiate(Some(header), Offer::One).ok().map(|a| a.encoding)
    }

    #[test]
    fn what_has_no_tables_is_not_acceptable_as_one() {
        let table = "application/json;as=Table;v=v1;g=meta.k8s.io";
        assert!(negotiate(Some(table), Offer::One).is_ok());
        assert_eq!(negotiate(Some(table), Offer::Untabled).map_err(|status| status.code), Err(406));
        assert!(negotiate(Some("application/json;stream=watch"), Offer::Watch).is_ok());
        assert_eq!(negotiate(Some("application/json;stream=x"), Offer::Watch).map_err(|status| status.code), Err(406));
        let either = format!("{table},application/json");
        assert_eq!(negotiate(Some(&either), Offer::Untabled), Ok(Accepted::default()));
    }

    #[test]
    fn the_highest_quality_wins_and_half_a_wildcard_is_not_acceptable() {
        assert_eq!(encoding("application/json;q=0.5, application/yaml;q=0.9"), Some(Encoding::Yaml));
        assert_eq!(encoding("application/yaml;q=0.1, */*;q=0.1"), Some(Encoding::Yaml));
        assert_eq!(encoding("*/*;q=0.9, application/yaml;q=0.1"), Some(Encoding::Yaml));
        assert_eq!(encoding("application/yaml;q=0.1, */*;q=0.9"), Some(Encoding::Json));
        assert_eq!(encoding("application/bogus, application/json"), Some(Encoding::Json));
        assert_eq!(encoding("text/html, application/*;q=0.2"), None);
    }

    #[test]
    fn a_header_of_very_many_types_is_ordered_too() {
        let bogus = "text/x;q=0.9,".repeat(INSERTED_MAX);
        assert_eq!(encoding(&format!("{bogus}application/json;q=0.1,application/yaml;q=0.8")), Some(Encoding::Yaml));
        assert_eq!(encoding(&format!("{bogus}*/*;q=0.8,application/yaml;q=0.8")), Some(Encoding::Yaml));
    }

    #[test]
    fn protobuf_is_given_for_objects_metadata_and_discovery_and_passed_over_for_tables_and_documents() {
        let both = "application/vnd.kubernetes.protobuf, application/json";
        assert_eq!(encoding(both), Some(Encoding::Protobuf));
        assert_eq!(negotiate(Some(both), Offer::Plain).unwrap().encoding, Encoding::Json);
        assert_eq!(negotiate(Some(both), Offer::Discovery).unwrap().encoding, Encoding::Protobuf);
        let partial = "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;v=v1;g=meta.k8s.io";
        assert_eq!(encoding(partial), Some(Encoding::Protobuf));
        let table = "application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io, application/json";
        assert_eq!(encoding(table), Some(Encoding::Json));
    }

    #[test]
    fn an_error_takes_no_form_and_is_json_where_nothing_else_is_asked_for() {
        let table = "application/yaml;as=Table;v=v1;g=meta.k8s.io";
        assert_eq!(error_encoding(Some(table)), Encoding::Json);
        assert_eq!(error_encoding(Some(&format!("{table}, application/yaml"))), Encoding::Yaml);
        assert_eq!(error_encoding(Some("application/vnd.kubernetes.protobuf")), Encoding::Protobuf);
    }

    #[test]
    fn views_are_offered_where_they_fit() {
        let table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
        assert_eq!(negotiate(Some(table), Offer::Many).unwrap().form, Form::Table(ViewVersion::V1));
        assert_eq!(negotiate(Some(table), Offer::Plain).unwrap().form, Form::Object);
        let one = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io";
        assert!(negotiate(Some(one), Offer::One).is_ok());
        assert_eq!(negotiate(Some(one), Offer::Many).unwrap_err().code, 406);
    }

    #[test]
    fn a_refusal_has_empty_details_only_when_no_known_type_was_named() {
        let details = |header| negotiate(Some(header), Offer::Many).unwrap_err().details.is_some();
        assert!(details("text/html"));
        assert!(!details("application/json;as=Bogus;v=v1;g=meta.k8s.io"));
    }

    #[test]
    fn aggregated_discovery_is_given_in_version_two_alone_and_in_each_encoding() {
        let v2 = "application/json;v=v2;g=apidiscovery.k8s.io;as=APIGroupDiscoveryList,application/json";
        assert_eq!(aggregated_discovery(Some(v2)), Some(Encoding::Json));
        assert_eq!(aggregated_discovery(Some(&v2.replace("v=v2", "v=v2beta1"))), None);
        assert_eq!(aggregated_discovery(Some("application/json")), None);
        let protobuf = "application/json;q=0.5,application/vnd.kubernetes.protobuf;as=APIGroupDiscoveryList;v=v2;\
                        g=apidiscovery.k8s.io";
        assert_eq!(aggregated_discovery(Some(protobuf)), Some(Encoding::Protobuf));
        let legacy_first = format!("application/vnd.kubernetes.protobuf,{v2};q=0.1");
        assert_eq!(aggregated_discovery(Some(&legacy_first)), Some(Encoding::Json));
    }
}
