//! One case against a server.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, header};
use http_body_util::Full;
use hyper::body::Incoming;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::{
    Case, Server,
    case::{Cleanup, Step, Until},
    compare::differences,
    names::{Names, strip_messages},
    pointer, wire,
};

/// Between two looks at a condition.
const PAUSE: Duration = Duration::from_millis(200);
const ANSWER_WITHIN: Duration = Duration::from_secs(65);

type Words = BTreeMap<String, Value>;

/// Sends the case's requests in order; returns the differences, none if it passes.
pub async fn replay(server: &Server, case: &Case) -> Vec<String> {
    let mut run = Run::new(server);
    let scoped = case.steps.iter().any(|step| step.mentions_namespace());
    if scoped && let Err(error) = run.make_namespace().await {
        return vec![format!("its namespace cannot be made: {error:#}")];
    }
    let mut found = Vec::new();
    for (index, step) in case.steps.iter().enumerate() {
        let got = run.step(step).await.unwrap_or_else(|error| failed(&error));
        let place = format!("step {} {} {}", index + 1, step.method, step.path);
        found.extend(judge(&step.expect, &got).into_iter().map(|difference| format!("{place} {difference}")));
    }
    run.clean_up(&case.cleanup, scoped).await;
    found
}

/// A refused connection or a broken answer is an answer too.
fn failed(error: &anyhow::Error) -> Value {
    json!({"status": 0, "type": "", "warnings": 0, "body": {"error": format!("{error:#}")}})
}

/// A recorded 500 is the reference's own failure: any refusal is right.
fn judge(want: &Value, got: &Value) -> Vec<String> {
    let refused = got["status"].as_u64().is_some_and(|status| (400..=500).contains(&status));
    if want["status"] == 500 && refused { Vec::new() } else { differences(want, got) }
}

/// Words of the case in a text.
fn fill(text: &str, words: &Words) -> String {
    words.iter().fold(text.to_owned(), |text, (name, value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        text.replace(&format!("{{{name}}}"), &value)
    })
}

fn fill_value(value: &Value, words: &Words) -> Value {
    let alone = |text: &str| text.strip_prefix('{').and_then(|t| t.strip_suffix('}')).and_then(|name| words.get(name));
    match value {
        Value::String(text) => alone(text).cloned().unwrap_or_else(|| fill(text, words).into()),
        Value::Array(items) => items.iter().map(|item| fill_value(item, words)).collect(),
        Value::Object(members) => {
            Value::Object(members.iter().map(|(name, member)| (fill(name, words), fill_value(member, words))).collect())
        }
        other => other.clone(),
    }
}

fn query(query: &Map<String, Value>, words: &Words) -> String {
    let mut pairs = form_urlencoded::Serializer::new(String::new());
    for (name, value) in query {
        let values = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
        for value in values {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            pairs.append_pair(&fill(name, words), &fill(&text, words));
        }
    }
    pairs.finish()
}

impl Step {
    fn mentions_namespace(&self) -> bool {
        let texts = [&self.path].into_iter().chain(&self.text).chain(self.headers.values().flatten());
        let values = json!([self.query, self.body, self.expect]);
        texts.into_iter().any(|text| text.contains("{ns}")) || values.to_string().contains("{ns}")
    }

    fn request(&self, server: &Server, words: &Words) -> Result<Request<Full<Bytes>>> {
        let mut target = fill(&self.path, words);
        if !self.query.is_empty() {
            target = format!("{target}?{}", query(&self.query, words));
        }
        let body = match (&self.text, &self.body) {
            (Some(text), _) => Some(fill(text, words)),
            (None, body) => body.as_ref().map(|body| fill_value(body, words).to_string()),
        };
        let mut request = Request::new(Full::new(Bytes::from(body.clone().unwrap_or_default())));
        *request.method_mut() = Method::from_bytes(self.method.as_bytes())?;
        *request.uri_mut() = target.parse().with_context(|| format!("{target:?} is no path"))?;
        let headers = request.headers_mut();
        headers.insert(header::HOST, HeaderValue::from_str(server.address())?);
        headers.insert(header::USER_AGENT, HeaderValue::from_static("corpus/1.0"));
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        if body.is_some() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        for (name, value) in &self.headers {
            let name = HeaderName::from_bytes(name.as_bytes())?;
            match value {
                Some(value) => _ = headers.insert(name, HeaderValue::from_str(&fill(value, words))?),
                None => _ = headers.remove(name),
            }
        }
        Ok(request)
    }
}

struct Run<'s> {
    server: &'s Server,
    words: Words,
    names: Names,
}

/// The parts of an answer that are compared.
struct Answer {
    status: u16,
    content_type: String,
    warnings: usize,
    body: Value,
}

impl<'s> Run<'s> {
    fn new(server: &'s Server) -> Self {
        let word = uuid::Uuid::new_v4().simple().to_string()[..8].to_owned();
        let (namespace, id) = (format!("c-{word}"), format!("i{word}"));
        let words = Words::from([("ns".into(), json!(namespace)), ("id".into(), json!(id))]);
        Self { server, words, names: Names::new(vec![(namespace, "{ns}"), (id, "{id}")]) }
    }

    async fn simple(&self, method: &str, path: &str, body: Option<Value>) -> Result<u16> {
        let request = Request::builder().method(method).uri(fill(path, &self.words));
        let request = request.header(header::HOST, self.server.address());
        let request = request.header(header::CONTENT_TYPE, "application/json");
        let request = request.body(Full::new(Bytes::from(body.map(|body| body.to_string()).unwrap_or_default())))?;
        let response = self.server.send(request, false).await?;
        let status = response.status().as_u16();
        wire::body(response).await?;
        Ok(status)
    }

    async fn make_namespace(&self) -> Result<()> {
        let namespace = json!({"metadata": {"name": self.words["ns"]}});
        match self.simple("POST", "/api/v1/namespaces", Some(namespace)).await? {
            201 => Ok(()),
            status => bail!("status {status}"),
        }
    }

    /// What fails here hurts no other case: all names are this case's own.
    async fn clean_up(&self, cleanup: &[Cleanup], scoped: bool) {
        if scoped {
            let _ = self.simple("DELETE", "/api/v1/namespaces/{ns}", None).await;
        }
        for step in cleanup {
            let _ = self.simple(&step.method, &step.path, None).await;
        }
    }

    async fn step(&mut self, step: &Step) -> Result<Value> {
        let mut answer = self.settled(step).await?;
        for (word, pointer) in &step.save {
            let value = pointer::at(&answer.body, pointer).cloned().unwrap_or_else(|| "".into());
            self.words.insert(word.clone(), value);
        }
        reduce(step, &self.words, &mut answer.body);
        let Answer { status, content_type, warnings, body } = answer;
        Ok(json!({"status": status, "type": content_type, "warnings": warnings, "body": self.names.value(&body)}))
    }

    /// The answer, once it is what the step waits for, or time is up.
    async fn settled(&self, step: &Step) -> Result<Answer> {
        let deadline = Instant::now() + Duration::from_secs(step.until.as_ref().map_or(0, |until| until.timeout));
        loop {
            let answer =
                tokio::time::timeout(ANSWER_WITHIN, self.answer(step)).await.context("no answer in time")??;
            let holds = step.until.as_ref().is_none_or(|until| self.holds(until, &answer));
            if holds || Instant::now() > deadline {
                return Ok(answer);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn holds(&self, until: &Until, answer: &Answer) -> bool {
        let found = until.pointer.as_ref().and_then(|at| pointer::at(&answer.body, at));
        let fits = match &until.equals {
            Some(wanted) => found == Some(&fill_value(wanted, &self.words)),
            None => found.is_some(),
        };
        fits || until.status == Some(answer.status)
    }

    async fn answer(&self, step: &Step) -> Result<Answer> {
        let request = step.request(self.server, &self.words)?;
        let response = self.server.send(request, step.anonymous).await?;
        let status = response.status().as_u16();
        let content_type = content_type(&response);
        let warnings = response.headers().get_all(header::WARNING).iter().count();
        let body = match step.watch {
            Some(watch) if status == 200 => {
                wire::events(response, watch.events, Duration::from_secs(watch.timeout)).await?.into()
            }
            _ => document(&wire::body(response).await?, &content_type),
        };
        Ok(Answer { status, content_type, warnings, body })
    }
}

fn content_type(response: &Response<Incoming>) -> String {
    let value = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().replace(' ', "")
}

/// Text is kept as text; of protobuf only that there is some.
fn document(body: &[u8], content_type: &str) -> Value {
    const LONGEST_TEXT: usize = 2000;
    match serde_json::from_slice(body) {
        Ok(document) => document,
        Err(_) if content_type.ends_with("protobuf") => json!({"bytes": !body.is_empty()}),
        Err(_) => json!({"text": String::from_utf8_lossy(body).chars().take(LONGEST_TEXT).collect::<String>()}),
    }
}

/// Leaves of the body what the step compares.
fn reduce(step: &Step, words: &Words, body: &mut Value) {
    step.ignore.iter().for_each(|at| pointer::remove(body, &fill(at, words)));
    if let Value::Object(members) = &mut *body
        && members.get("kind").is_some_and(|kind| kind == "Status")
    {
        strip_messages(members);
    }
    if let Some(only) = &step.only {
        let kept = only.iter().map(|at| fill(at, words));
        let kept = kept.map(|at| (at.clone(), pointer::at(body, &at).cloned().unwrap_or_default()));
        *body = Value::Object(kept.collect());
    }
    for at in &step.sort {
        if let Some(Value::Array(items)) = pointer::at_mut(body, at) {
            items.sort_by_cached_key(|item| item.pointer("/metadata/name").unwrap_or(item).to_string());
        }
    }
}
