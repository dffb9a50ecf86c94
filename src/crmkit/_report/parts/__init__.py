"""The parts of the report, one file each: what is found, how it is told, and the lines of code that find it again."""

from crmkit._report.asked import Part
from crmkit._report.parts import answers, baskets, cohorts, contacts, health, next_items, risk, segments, trial, value

__all__ = ["PARTS"]

PARTS = (
    Part("data", "Data", "What the data hold", health.find, health.tell, health.code),
    Part(
        "contacts",
        "Contacts",
        "Who is who",
        contacts.find,
        contacts.tell,
        contacts.code,
        lambda asked: asked.contacts is not None,
    ),
    Part("segments", "Segments", "Who the customers are", segments.find, segments.tell, segments.code),
    Part("cohorts", "Cohorts", "Who comes back", cohorts.find, cohorts.tell, cohorts.code),
    Part("value", "Value", "What they are likely to be worth", value.find, value.tell, value.code),
    Part("risk", "Risk", "Who may leave", risk.find, risk.tell, risk.code),
    Part("next", "Next purchases", "What they will buy next", next_items.find, next_items.tell, next_items.code),
    Part("baskets", "Baskets", "What is bought together", baskets.find, baskets.tell, baskets.code),
    Part(
        "feedback", "Feedback", "What they say", answers.find, answers.tell, answers.code, lambda asked: asked.survey is not None
    ),
    Part(
        "experiment",
        "Experiment",
        "What the experiment changed",
        trial.find,
        trial.tell,
        trial.code,
        lambda asked: asked.trial is not None,
    ),
)
