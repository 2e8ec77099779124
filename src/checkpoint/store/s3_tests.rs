//! Tests of the client of S3 against a server that knows just enough of its protocol: put, get,
//! delete, and lists of two names a page.

use super::tests::check_store;
use super::*;
use axum::extract::{Path, Query, State};
use axum::http::header::{CONTENT_LENGTH, ETAG, LAST_MODIFIED};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use object_store::aws::AmazonS3Builder;
use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use tokio::sync::oneshot;

/// What the bucket holds.
type Bucket = Arc<Mutex<BTreeMap<String, Bytes>>>;

const DATE: &str = "Fri, 01 Mar 2024 00:00:00 GMT";

async fn object(
    State(bucket): State<Bucket>,
    Path(key): Path<String>,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut bucket = bucket.lock().expect("no other holder panics");
    let is_signed = headers
        .get("authorization")
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.contains("Credential=key/"));
    let described = |length: usize| {
        [
            (ETAG, "\"tag\"".to_string()),
            (LAST_MODIFIED, DATE.to_string()),
            (CONTENT_LENGTH, length.to_string()),
        ]
    };
    match (method.as_str(), is_signed) {
        (_, false) => StatusCode::FORBIDDEN.into_response(),
        ("PUT", _) => {
            bucket.insert(key, body);
            described(0).into_response()
        }
        ("GET", _) => match bucket.get(&key) {
            Some(content) => (described(content.len()), content.clone()).into_response(),
            None => StatusCode::NOT_FOUND.into_response(),
        },
        ("DELETE", _) => {
            bucket.remove(&key);
            StatusCode::NO_CONTENT.into_response()
        }
        _ => StatusCode::METHOD_NOT_ALLOWED.into_response(),
    }
}

async fn list(
    State(bucket): State<Bucket>,
    Query(query): Query<HashMap<String, String>>,
) -> String {
    let bucket = bucket.lock().expect("no other holder panics");
    let (prefix, after) = (
        query.get("prefix").map_or("", String::as_str),
        query.get("continuation-token").map_or("", String::as_str),
    );
    let found: Vec<_> =
        bucket.iter().filter(|(key, _)| key.starts_with(prefix) && key.as_str() > after).collect();
    let entry = |(key, content): &(&String, &Bytes)| {
        format!(
            "<Contents><Key>{key}</Key><LastModified>2024-03-01T00:00:00Z</LastModified>\
            <Size>{}</Size></Contents>",
            content.len()
        )
    };
    let page: String = found.iter().take(2).map(entry).collect();
    let next = found.get(1).filter(|_| found.len() > 2);
    let next = next.map_or(String::new(), |(key, _)| {
        format!("<NextContinuationToken>{key}</NextContinuationToken>")
    });
    format!("<ListBucketResult>{page}{next}</ListBucketResult>")
}

/// Serves a bucket until the sender is dropped; its address.
fn serve() -> (String, oneshot::Sender<()>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = format!("http://{}", listener.local_addr().expect("its address"));
    listener.set_nonblocking(true).expect("a socket");
    let (stop, stopped) = oneshot::channel::<()>();
    let router = axum::Router::new()
        .route("/bucket", any(list))
        .route("/bucket/{*key}", any(object))
        .with_state(Bucket::default());
    std::thread::spawn(move || {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a socket");
            let server = axum::serve(listener, router)
                .with_graceful_shutdown(async move { drop(stopped.await) });
            server.await.expect("it serves");
        });
    });
    (address, stop)
}

#[test]
fn a_bucket_keeps_files() {
    let (address, _stop) = serve();
    let settings = |key: &str| {
        let settings = AmazonS3Builder::new()
            .with_endpoint(&address)
            .with_allow_http(true)
            .with_region("anywhere");
        settings.with_access_key_id(key).with_secret_access_key("secret")
    };
    check_store(&Objects::connect("s3://bucket/some/prefix/", settings("key")).expect("a client"));
    check_store(&Objects::connect("s3://bucket", settings("key")).expect("a client"));
    let error = Objects::connect("s3://bucket", settings("nobody"))
        .expect("a client")
        .get("job/shards/001/b", 9)
        .expect_err("not signed")
        .to_string();
    assert!(error.starts_with("s3://bucket/job/shards/001/b cannot be read: "), "{error}");
}
