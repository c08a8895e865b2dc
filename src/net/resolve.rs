//! Host names to addresses on a thread of its own: the system's resolver can block for seconds.
//! The thread starts with the first name that needs it and ends with its owner.

use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

/// Answer to the question with the same number.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) link: u32,
    pub(super) addresses: Result<Vec<IpAddr>, String>,
}

struct Question {
    link: u32,
    host: String,
}

/// Asks and collects. Every connection has at most one question open, which bounds both queues.
pub(super) struct Resolver {
    waker: Arc<mio::Waker>,
    thread: Option<(Sender<Question>, Receiver<Answer>)>,
    open: usize,
}

impl Resolver {
    pub(super) fn new(waker: Arc<mio::Waker>) -> Self {
        Self { waker, thread: None, open: 0 }
    }

    /// Asks for the addresses of `host` on behalf of `link`.
    pub(super) fn ask(&mut self, link: u32, host: &str) -> io::Result<()> {
        if self.thread.is_none() {
            self.thread = Some(start(self.waker.clone())?);
        }
        let (questions, _) = self.thread.as_ref().expect("started just now");
        let question = Question { link, host: host.to_owned() };
        if questions.send(question).is_err() {
            self.thread = None;
            return Err(io::Error::other("the resolver has stopped"));
        }
        self.open += 1;
        Ok(())
    }

    /// An answer that has come in. Costs nothing while no question is open.
    pub(super) fn answer(&mut self) -> Option<Answer> {
        if self.open == 0 {
            return None;
        }
        let answer = self.thread.as_ref()?.1.try_recv().ok()?;
        self.open -= 1;
        Some(answer)
    }
}

fn start(waker: Arc<mio::Waker>) -> io::Result<(Sender<Question>, Receiver<Answer>)> {
    let (questions, asked) = channel::<Question>();
    let (answers, answered) = channel();
    std::thread::Builder::new().name("resolver".to_owned()).spawn(move || {
        for Question { link, host } in asked {
            let addresses = look_up(&host);
            if answers.send(Answer { link, addresses }).is_err() {
                return;
            }
            let _ = waker.wake();
        }
    })?;
    Ok((questions, answered))
}

fn look_up(host: &str) -> Result<Vec<IpAddr>, String> {
    match (host, 0).to_socket_addrs() {
        Ok(found) => {
            let mut addresses: Vec<IpAddr> = found.map(|address| address.ip()).collect();
            addresses.dedup();
            if addresses.is_empty() { Err("it has no address".to_owned()) } else { Ok(addresses) }
        }
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// Sleeps until the resolver wakes the poll, as a sleeping agent would.
    fn answer(poll: &mut mio::Poll, resolver: &mut Resolver) -> Answer {
        let mut events = mio::Events::with_capacity(4);
        loop {
            poll.poll(&mut events, Some(Duration::from_secs(20))).unwrap();
            assert!(!events.is_empty(), "the resolver wakes its owner");
            if let Some(answer) = resolver.answer() {
                return answer;
            }
        }
    }

    #[test]
    fn answers_come_in_the_order_of_the_questions_and_wake_the_owner() {
        let mut poll = mio::Poll::new().unwrap();
        let waker = mio::Waker::new(poll.registry(), mio::Token(0)).unwrap();
        let mut resolver = Resolver::new(Arc::new(waker));
        assert!(resolver.answer().is_none());
        resolver.ask(7, "localhost").unwrap();
        let known = answer(&mut poll, &mut resolver);
        assert_eq!(known.link, 7);
        let addresses = known.addresses.unwrap();
        assert!(!addresses.is_empty() && addresses.iter().all(IpAddr::is_loopback));
        resolver.ask(8, "nobody.invalid").unwrap();
        let unknown = answer(&mut poll, &mut resolver);
        assert_eq!(unknown.link, 8);
        assert!(unknown.addresses.is_err());
        assert!(resolver.answer().is_none());
    }
}
