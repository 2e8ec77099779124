//! The ids of topics: the broker gives one to each that is made, so that a topic of the same name
//! that is made anew is told from the former.

use crate::source::TopicUuid;
use rdkafka::client::{Client, ClientContext};
use rdkafka::types::{RDKafka, RDKafkaErrorCode, RDKafkaQueue};
use rdkafka_sys as native;
use std::ffi::{CString, c_char};
use std::ptr::{self, NonNull};
use std::slice;
use std::time::Duration;

/// What the broker says of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kafka) enum Described {
    /// Its id; `None` where the broker is too old to give any.
    There(Option<TopicUuid>),
    /// Nothing that can be used.
    Refused(RDKafkaErrorCode),
}

/// Asks the broker for topics, each by its name; answers in the same order.
///
/// # Errors
/// There is no answer in time, or to none of them.
pub(in crate::kafka) fn topics<C: ClientContext>(
    client: &Client<C>,
    names: &[&str],
    wait: Duration,
) -> Result<Vec<Described>, RDKafkaErrorCode> {
    let names: Vec<CString> = names
        .iter()
        .map(|name| CString::new(*name))
        .collect::<Result<_, _>>()
        .map_err(|_| RDKafkaErrorCode::InvalidTopic)?;
    let asked = Question::ask(client.native_ptr(), &names, wait)
        .ok_or(RDKafkaErrorCode::InvalidArgument)?;
    let answer = asked.answer(wait).ok_or(RDKafkaErrorCode::OperationTimedOut)?;
    answer.topics(&names)
}

/// A question that is on its way, with everything that the client looks at until it is answered.
struct Question {
    queue: NonNull<RDKafkaQueue>,
    options: NonNull<native::rd_kafka_AdminOptions_t>,
    topics: NonNull<native::rd_kafka_TopicCollection_t>,
}

impl Question {
    /// `None` where the client has no memory for it, or refuses the options.
    fn ask(client: *mut RDKafka, names: &[CString], wait: Duration) -> Option<Question> {
        let mut pointers: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
        let operation = native::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS;
        // SAFETY: the caller holds the client for longer than this lives. The names are valid for
        // the call, which copies them; each object is owned here from its making on, and given back
        // once, when this is dropped.
        let question = unsafe {
            let topics = NonNull::new(native::rd_kafka_TopicCollection_of_topic_names(
                pointers.as_mut_ptr(),
                pointers.len(),
            ))?;
            let options = NonNull::new(native::rd_kafka_AdminOptions_new(client, operation))?;
            let queue = NonNull::new(native::rd_kafka_queue_new(client))?;
            Question { queue, options, topics }
        };
        let milliseconds = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: all three are valid. No text of an error is asked for.
        unsafe {
            let set = native::rd_kafka_AdminOptions_set_request_timeout(
                question.options.as_ptr(),
                milliseconds,
                ptr::null_mut(),
                0,
            );
            if RDKafkaErrorCode::from(set) != RDKafkaErrorCode::NoError {
                return None;
            }
            native::rd_kafka_DescribeTopics(
                client,
                question.topics.as_ptr(),
                question.options.as_ptr(),
                question.queue.as_ptr(),
            );
        }
        Some(question)
    }

    /// Waits for the answer, a little longer than the broker was given.
    fn answer(&self, wait: Duration) -> Option<Answer> {
        let milliseconds =
            i32::try_from((wait + Duration::from_millis(500)).as_millis()).unwrap_or(i32::MAX);
        // SAFETY: the queue is valid; what it gives is ours.
        NonNull::new(unsafe { native::rd_kafka_queue_poll(self.queue.as_ptr(), milliseconds) })
            .map(Answer)
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        // SAFETY: each was made for this and is given back exactly once, here; an answer that still
        // comes finds no queue and is dropped by the client.
        unsafe {
            native::rd_kafka_queue_destroy(self.queue.as_ptr());
            native::rd_kafka_AdminOptions_destroy(self.options.as_ptr());
            native::rd_kafka_TopicCollection_destroy(self.topics.as_ptr());
        }
    }
}

/// The answer, as the client keeps it.
struct Answer(NonNull<native::rd_kafka_event_t>);

impl Answer {
    fn topics(&self, names: &[CString]) -> Result<Vec<Described>, RDKafkaErrorCode> {
        // SAFETY: the event is valid until this is dropped.
        let error =
            unsafe { RDKafkaErrorCode::from(native::rd_kafka_event_error(self.0.as_ptr())) };
        if error != RDKafkaErrorCode::NoError {
            return Err(error);
        }
        let mut count = 0;
        // SAFETY: a result that is not null belongs to the event, and so does the array, which has
        // `count` pointers to descriptions, none of them null.
        let described = unsafe {
            let result = native::rd_kafka_event_DescribeTopics_result(self.0.as_ptr());
            if result.is_null() {
                return Err(RDKafkaErrorCode::BadMessage);
            }
            let topics = native::rd_kafka_DescribeTopics_result_topics(result, &mut count);
            if topics.is_null() || count == 0 {
                &[][..]
            } else {
                slice::from_raw_parts(topics, count)
            }
        };
        let of = |name: &CString| {
            // SAFETY: a description is valid as long as the event, and its name is a text that ends
            // with it.
            let found = described.iter().find(|topic| unsafe {
                std::ffi::CStr::from_ptr(native::rd_kafka_TopicDescription_name(**topic))
                    == name.as_c_str()
            });
            found.map_or(Described::Refused(RDKafkaErrorCode::UnknownTopic), |topic| one(*topic))
        };
        Ok(names.iter().map(of).collect())
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        // SAFETY: ours since it was taken from the queue, and given back exactly once.
        unsafe { native::rd_kafka_event_destroy(self.0.as_ptr()) }
    }
}

/// What is said of one topic, whose description must be valid.
fn one(topic: *const native::rd_kafka_TopicDescription_t) -> Described {
    // SAFETY: the caller's description is valid, and what is asked of it belongs to it; an id may
    // be null.
    unsafe {
        let error = native::rd_kafka_TopicDescription_error(topic);
        let code = if error.is_null() {
            RDKafkaErrorCode::NoError
        } else {
            RDKafkaErrorCode::from(native::rd_kafka_error_code(error))
        };
        if code != RDKafkaErrorCode::NoError {
            return Described::Refused(code);
        }
        let id = native::rd_kafka_TopicDescription_topic_id(topic);
        if id.is_null() {
            return Described::There(None);
        }
        let (most, least) = (
            native::rd_kafka_Uuid_most_significant_bits(id),
            native::rd_kafka_Uuid_least_significant_bits(id),
        );
        Described::There(TopicUuid::of(most, least))
    }
}
