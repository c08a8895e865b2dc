//! What stands at the foot of the screens: what came of each command, and what is left of the one that
//! is not done. Each has the number of its request, so that no words of one stand with another.

#![forbid(unsafe_code)]

use super::app::Ask;

/// Commands that are told of at a time.
const TOLD_MAX: usize = 4;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replies {
    /// The newest first.
    told: Vec<Reply>,
    followed: Option<Followed>,
}

/// What came of one command.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Reply {
    /// The request; 0 if there was none.
    number: u64,
    /// What was asked for.
    ask: Option<Ask>,
    text: String,
    is_answered: bool,
}

/// What was asked for and is not done yet.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Followed {
    number: u64,
    ask: Ask,
    /// What is left of it now, in words.
    left: String,
}

impl Replies {
    /// Something that answers no request, in place of all answers that have come.
    pub fn say(&mut self, text: String) {
        self.add(Reply { number: 0, ask: None, text, is_answered: true });
    }

    /// A request was sent; its number is greater than that of any before.
    pub fn sent(&mut self, number: u64, ask: Ask) {
        let text = format!("{} ...", ask.command());
        self.add(Reply { number, ask: Some(ask), text, is_answered: false });
    }

    /// What came of a request; `goes_on`: it is not done yet, and is followed. What has been followed
    /// until now is so further on, unless the new one includes it.
    pub fn answered(&mut self, number: u64, ask: Ask, text: String, goes_on: bool) {
        self.put(Reply { number, ask: Some(ask), text, is_answered: true });
        let is_included = |before: &Followed| before.ask == Ask::Flatten && ask != Ask::Flatten;
        if goes_on && !self.followed.as_ref().is_some_and(is_included) {
            self.followed = Some(Followed { number, ask, left: String::new() });
        }
    }

    /// What is followed.
    #[must_use]
    pub fn followed(&self) -> Option<Ask> {
        self.followed.as_ref().map(|followed| followed.ask)
    }

    /// What is left now of what is followed; nothing: it is done.
    pub fn left(&mut self, left: String) {
        let Some(followed) = &mut self.followed else { return };
        if !left.is_empty() {
            followed.left = left;
            return;
        }
        let (number, ask) = (followed.number, followed.ask);
        self.followed = None;
        let text = format!("{}: done, nothing is left of it", ask.command());
        self.put(Reply { number, ask: None, text, is_answered: true });
    }

    /// Forgets all of it. The answer to a request that is on its way is told of when it comes.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// In one text, what is left first: whatever is cut off is not that. Empty: nothing is to be told.
    #[must_use]
    pub fn text(&self) -> String {
        let followed = self.followed.as_ref().filter(|followed| !followed.left.is_empty());
        let now = followed.map(|Followed { ask, left, .. }| {
            format!("NOW: {left}; {} is not done", ask.command())
        });
        let is_alone = self.told.len() == 1;
        let told = self.told.iter().map(|reply| match reply.ask {
            Some(ask) if reply.is_answered && !is_alone => {
                format!("{}: {}", ask.command(), reply.text)
            }
            _ => reply.text.clone(),
        });
        now.into_iter().chain(told).collect::<Vec<_>>().join(" | ")
    }

    /// In place of all answers that have come.
    fn add(&mut self, reply: Reply) {
        self.told.retain(|before| !before.is_answered);
        self.put(reply);
    }

    /// In place of what was told of the same request.
    fn put(&mut self, reply: Reply) {
        match self.told.iter_mut().find(|before| before.number == reply.number) {
            Some(before) => *before = reply,
            None => self.told.insert(0, reply),
        }
        self.told.truncate(TOLD_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(replies: &Replies) -> String {
        replies.text()
    }

    #[test]
    fn what_is_not_done_is_told_of_by_its_name_whatever_is_said_besides() {
        let mut replies = Replies::default();
        replies.sent(1, Ask::Flatten);
        assert_eq!(text(&replies), "flatten ...");
        replies.answered(1, Ask::Flatten, "it goes on".to_owned(), true);
        replies.left("2 orders work".to_owned());
        assert_eq!(text(&replies), "NOW: 2 orders work; flatten is not done | it goes on");
        replies.say("pause was not sent".to_owned());
        assert_eq!(text(&replies), "NOW: 2 orders work; flatten is not done | pause was not sent");
        replies.left(String::new());
        let done = "flatten: done, nothing is left of it";
        assert_eq!(text(&replies), format!("{done} | pause was not sent"));
        assert_eq!(replies.followed(), None);
        replies.sent(2, Ask::Pause);
        assert_eq!(text(&replies), "pause ...");
        replies.clear();
        assert_eq!(text(&replies), "");
    }

    #[test]
    fn answers_that_come_in_another_order_are_told_of_each_with_its_name() {
        let mut replies = Replies::default();
        replies.sent(1, Ask::Flatten);
        replies.sent(2, Ask::CancelAll);
        assert_eq!(text(&replies), "cancel-all ... | flatten ...");
        replies.answered(2, Ask::CancelAll, "3 cancelled".to_owned(), false);
        replies.answered(1, Ask::Flatten, "it goes on".to_owned(), true);
        assert_eq!(text(&replies), "cancel-all: 3 cancelled | flatten: it goes on");
        replies.left("1 positions are held".to_owned());
        // What is done later is not the flatten, and neither is what goes on with the orders alone.
        replies.answered(2, Ask::CancelAll, "4 cancelled".to_owned(), false);
        assert_eq!(replies.followed(), Some(Ask::Flatten));
        replies.answered(3, Ask::CancelAll, "it goes on".to_owned(), true);
        assert_eq!(replies.followed(), Some(Ask::Flatten));
        assert!(text(&replies).starts_with("NOW: 1 positions are held; flatten is not done | "));
        replies.left(String::new());
        assert!(text(&replies).contains("flatten: done"), "{}", text(&replies));
        assert!(!text(&replies).contains("flatten: it goes on"), "{}", text(&replies));
        // A flatten includes a cancel-all that goes on.
        replies.answered(4, Ask::CancelAll, "it goes on".to_owned(), true);
        replies.answered(5, Ask::Flatten, "it goes on".to_owned(), true);
        assert_eq!(replies.followed(), Some(Ask::Flatten));
    }

    #[test]
    fn no_more_is_told_of_than_a_foot_can_hold() {
        let mut replies = Replies::default();
        for number in 1..20 {
            replies.sent(number, Ask::Pause);
        }
        assert_eq!(text(&replies).matches("pause ...").count(), TOLD_MAX);
    }
}
