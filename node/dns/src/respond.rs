//! From a question's bytes to the answer's.

use std::net::SocketAddr;

use gantry_netfilter::Cidr;
use hickory_proto::ProtoError;
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RecordType};
use tracing::debug;

use crate::forward::{Transport, Upstreams};
use crate::lookup::{Answer, ClusterRecords};
use crate::zone::reverse_address;

/// Largest UDP answer: what passes every path unfragmented (DNS flag day 2020).
const UDP_ANSWER_MAX: u16 = 1232;
/// An alias that leads to an alias, and so on, at most so often.
const ALIASES_MAX: usize = 8;

/// Answers questions; shared by all sockets.
pub(crate) struct Responder {
    pub records: ClusterRecords,
    pub upstreams: Upstreams,
    /// Blocks of the cluster's addresses: nobody else knows their names.
    pub own_blocks: Vec<Cidr>,
    /// Where we listen.
    pub ourselves: SocketAddr,
}

impl Responder {
    /// `None`: what came is no question, and gets no answer.
    pub async fn respond(&self, bytes: &[u8], transport: Transport) -> Option<Vec<u8>> {
        let question = match Message::from_vec(bytes) {
            Ok(question) => question,
            Err(error) => {
                debug!(%error, "a question cannot be read");
                return format_error(bytes);
            }
        };
        if question.metadata.message_type != MessageType::Query {
            return None;
        }
        if question.metadata.op_code != OpCode::Query {
            return encode(refusal(&question, ResponseCode::NotImp), &question, transport);
        }
        let [query] = question.queries.as_slice() else {
            return encode(refusal(&question, ResponseCode::FormErr), &question, transport);
        };
        match self.own(query) {
            None => match self.upstreams.ask(bytes, transport, self.ourselves).await {
                Some(answer) => Some(answer),
                None => encode(refusal(&question, ResponseCode::ServFail), &question, transport),
            },
            Some(answer) => encode(self.message(&question, query, answer).await, &question, transport),
        }
    }

    /// What we say of it ourselves; `None`: it is for the resolvers. Failures count as SERVFAIL.
    fn own(&self, query: &Query) -> Option<Result<Answer, ResponseCode>> {
        let answer = self.answer(query.name(), query.query_type())?;
        let in_class = matches!(query.query_class(), DNSClass::IN | DNSClass::ANY);
        Some(if in_class { answer } else { Ok(Answer::NoData) })
    }

    fn answer(&self, name: &Name, record_type: RecordType) -> Option<Result<Answer, ResponseCode>> {
        let failed = |error: ProtoError| {
            debug!(%error, "an answer cannot be written");
            ResponseCode::ServFail
        };
        if let Some(question) = self.records.zone().parse(name) {
            let complete = self.records.is_complete();
            let answer = || self.records.lookup(name, &question, record_type).map_err(failed);
            return Some(if complete { answer() } else { Err(ResponseCode::ServFail) });
        }
        let address = reverse_address(name)?;
        match self.records.reverse(name, address, record_type) {
            Ok(Answer::NoSuchName) if !self.own_blocks.iter().any(|block| block.contains(address)) => None,
            answer => Some(answer.map_err(failed)),
        }
    }

    async fn message(&self, question: &Message, query: &Query, answer: Result<Answer, ResponseCode>) -> Message {
        let mut message = refusal(question, ResponseCode::NoError);
        message.metadata.authoritative = true;
        let mut answer = answer;
        for _ in 0..ALIASES_MAX {
            let Ok(Answer::Alias { alias, target }) = answer else { break };
            message.add_answer(*alias);
            answer = match self.answer(&target, query.query_type()) {
                Some(answer) => answer,
                None => return self.foreign_target(message, query, target).await,
            };
        }
        self.finish(&mut message, answer);
        message
    }

    fn finish(&self, message: &mut Message, answer: Result<Answer, ResponseCode>) {
        match answer {
            Ok(Answer::Records { answers, additionals }) => {
                message.add_answers(answers);
                message.add_additionals(additionals);
            }
            Ok(Answer::NoData) => self.add_soa(message),
            Ok(Answer::NoSuchName) => {
                message.metadata.response_code = ResponseCode::NXDomain;
                self.add_soa(message);
            }
            Ok(Answer::Alias { .. }) => message.metadata.response_code = ResponseCode::ServFail,
            Err(code) => message.metadata.response_code = code,
        }
    }

    fn add_soa(&self, message: &mut Message) {
        match self.records.soa() {
            Ok(soa) => drop(message.add_authority(soa)),
            Err(error) => debug!(%error, "the zone has no SOA"),
        }
    }

    /// Resolvers in libraries follow no alias themselves: what it leads to must be in the same answer.
    async fn foreign_target(&self, mut message: Message, query: &Query, target: Name) -> Message {
        if matches!(query.query_type(), RecordType::CNAME) {
            return message;
        }
        let mut question = Message::query();
        question.add_query(Query::query(target, query.query_type()));
        question.metadata.recursion_desired = true;
        let Ok(bytes) = question.to_vec() else { return message };
        let answer = self.upstreams.ask(&bytes, Transport::Udp, self.ourselves).await;
        match answer.and_then(|bytes| Message::from_vec(&bytes).ok()) {
            Some(answer) => {
                message.metadata.response_code = answer.metadata.response_code;
                message.add_answers(answer.answers);
            }
            None => message.metadata.response_code = ResponseCode::ServFail,
        }
        message
    }
}

/// An empty answer to the question.
fn refusal(question: &Message, code: ResponseCode) -> Message {
    let mut message = Message::response(question.metadata.id, question.metadata.op_code);
    message.metadata.recursion_desired = question.metadata.recursion_desired;
    message.metadata.recursion_available = true;
    message.metadata.response_code = code;
    message.add_queries(question.queries.iter().cloned());
    if question.edns.is_some() {
        let mut edns = Edns::new();
        edns.set_max_payload(UDP_ANSWER_MAX);
        message.set_edns(edns);
    }
    message
}

/// For a question of which not more than the id can be read.
fn format_error(bytes: &[u8]) -> Option<Vec<u8>> {
    const RESPONSE_BIT: u8 = 0x80;
    let (id, is_response) = ([*bytes.first()?, *bytes.get(1)?], bytes.get(2)? & RESPONSE_BIT != 0);
    let message = Message::error_msg(u16::from_be_bytes(id), OpCode::Query, ResponseCode::FormErr);
    if is_response { None } else { message.to_vec().ok() }
}

/// What does not fit is left out from the end, and the client told to ask again by TCP: some do not, and are served with
/// what fits.
fn encode(mut message: Message, question: &Message, transport: Transport) -> Option<Vec<u8>> {
    let room = match transport {
        Transport::Udp => usize::from(question.max_payload().min(UDP_ANSWER_MAX)),
        Transport::Tcp => usize::from(u16::MAX),
    };
    loop {
        let bytes = message.to_vec().inspect_err(|error| debug!(%error, "an answer cannot be written")).ok()?;
        if bytes.len() <= room {
            return Some(bytes);
        }
        if message.additionals.pop().is_none() {
            message.metadata.truncation = true;
            message.answers.pop()?;
        }
    }
}
