"""Customer lifetime value: how often customers will buy, whether they are still there, and what they will spend."""

from crmkit.clv._equity import equity
from crmkit.clv._intervals import PredictionInterval, prediction_interval
from crmkit.clv._simulate import Simulation, simulate
from crmkit.clv._tracking import tracking
from crmkit.clv.bdw import Bdw, fit_bdw
from crmkit.clv.bg_bb import BgBb, fit_bg_bb
from crmkit.clv.bg_cnbd import BgCnbd, fit_bg_cnbd
from crmkit.clv.bg_nbd import BgNbd, fit_bg_nbd
from crmkit.clv.gamma_gamma import GammaGamma, fit_gamma_gamma
from crmkit.clv.mbg_nbd import MbgNbd, fit_mbg_nbd
from crmkit.clv.pareto_nbd import ParetoNbd, fit_pareto_nbd
from crmkit.clv.predict import expected_purchases, next_purchase, p_alive, purchase_distribution
from crmkit.clv.sbg import Sbg, fit_sbg
from crmkit.clv.summary import Split, compress, split, summarize
from crmkit.clv.validate import Evaluation, compare, evaluate
from crmkit.clv.value import discounted_purchases, expected_spend, lifetime_value

__all__ = [
    "Bdw",
    "BgBb",
    "BgCnbd",
    "BgNbd",
    "Evaluation",
    "GammaGamma",
    "MbgNbd",
    "ParetoNbd",
    "PredictionInterval",
    "Sbg",
    "Simulation",
    "Split",
    "compare",
    "compress",
    "discounted_purchases",
    "equity",
    "evaluate",
    "expected_purchases",
    "expected_spend",
    "fit_bdw",
    "fit_bg_bb",
    "fit_bg_cnbd",
    "fit_bg_nbd",
    "fit_gamma_gamma",
    "fit_mbg_nbd",
    "fit_pareto_nbd",
    "fit_sbg",
    "lifetime_value",
    "next_purchase",
    "p_alive",
    "prediction_interval",
    "purchase_distribution",
    "simulate",
    "split",
    "summarize",
    "tracking",
]
