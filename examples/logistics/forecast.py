"""Demand forecast: how much of each class of goods each depot will be asked for, on the day of the storm and after it.

One ARIMA with the weather as regressors for each series; its order has a weekly season. Which library, and why
the order is fixed, is in docs/decisions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from answerable.examples.logistics.messages import Expected, Forecast, Storm, Weather

ORDER: Final = (1, 0, 0)
SEASONAL_ORDER: Final = (1, 0, 0)
SEASON_DAYS: Final = 7


def expected_demand(storm: Storm) -> Forecast:
    """What is expected on the day of the storm and on each day ahead, for every series of the history."""
    if not storm.demand:
        return Forecast(expected=[])
    from statsforecast.models import ARIMA  # three seconds to import, and only this step needs it

    model = ARIMA(order=ORDER, season_length=SEASON_DAYS, seasonal_order=SEASONAL_ORDER)
    past = _regressors(storm.history)
    future = _regressors([day.weather for day in (storm.today, *storm.ahead)])
    expected = []
    for series, units in sorted(storm.demand.items()):
        mean = model.forecast(y=np.asarray(units, dtype=float), h=len(future), X=past, X_future=future)["mean"]
        depot, goods = series.split("/")
        expected.append(
            Expected.model_validate({"depot": depot, "goods": goods, "units": [max(0, round(unit)) for unit in mean]})
        )
    return Forecast(expected=expected)


def _regressors(days: Sequence[Weather]) -> npt.NDArray[np.float64]:
    """Precipitation and wind, one row a day."""
    return np.array([[day.precipitation_mm, day.wind_mps] for day in days])
