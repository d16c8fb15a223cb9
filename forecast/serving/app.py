"""The paths of the service."""

from __future__ import annotations

import json
import logging
from functools import partial
from importlib.resources import files
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse

from forecast.errors import nearest
from forecast.forecasting.artifact import package_version
from forecast.serving.admission import Admission
from forecast.serving.counters import Counters
from forecast.serving.gate import App, Gate, refusal_headers
from forecast.serving.limits import Limits, RefusedError
from forecast.serving.reference_page import reference_page
from forecast.serving.request_batches import CSV, Received, Written, work_on
from forecast.serving.served_models import ModelStore, ServedModel

LOG = logging.getLogger("forecast.serving")

WEB = {
    "/": ("page.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
}
"""Path -> file in `web/`, and its type."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Sources that the page may load from: this service alone."""

_ROWS = {
    "description": "rows as objects, or the text of a CSV file with a header",
    "oneOf": [
        {"type": "array", "items": {"type": "object"}},
        {"type": "string"},
    ],
}

BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["rows"],
                    "additionalProperties": False,
                    "properties": {
                        "model": {"type": "string", "description": "as /models lists it"},
                        "rows": _ROWS,
                        "known": {**_ROWS, "description": "known covariates of the steps ahead"},
                        "horizon": {"type": "integer", "minimum": 1},
                        "level": {
                            "description": "of intervals in %: auto, none, 80 or [80, 95]",
                            "default": "auto",
                        },
                    },
                }
            },
            CSV: {"schema": {"type": "string"}},
        },
    }
}
"""The body of `/predict` in the OpenAPI document."""

ANSWERS: dict[int | str, dict[str, Any]] = {
    413: {"description": "the body is too large"},
    422: {"description": "the table is refused; `errors` says why and what to do"},
    429: {"description": "too many requests wait; see Retry-After"},
    503: {"description": "no forecast could begin in time; see Retry-After"},
    504: {"description": "the forecast took too long"},
}


def make_app(store: ModelStore, limits: Limits, token: str = "", *, process: int = 0) -> App:
    """Return the service as an ASGI application.

    Args:
        store: the models.
        limits: of the service.
        token: that callers must send; empty for none.
        process: number of this one, where several serve; else 0.
    """
    counters = Counters(process)
    app = FastAPI(
        title="forecast",
        version=package_version(),
        description="Forecasts of tables of time series.",
        docs_url=None,  # that of FastAPI loads its parts from elsewhere
        redoc_url=None,
    )
    service = _Service(store, limits, counters)
    for path, answer in (("/predict", service.predict), ("/check", service.check)):
        # The first route answers: it goes round the dependencies of FastAPI, which these have none
        # of and which take a tenth of a request. The second is for the OpenAPI document.
        app.add_route(path, answer, methods=["POST"])
        app.post(path, openapi_extra=BODY, responses=ANSWERS)(answer)
    app.get("/models")(service.models)
    app.get("/healthz")(service.healthz)
    app.get("/readyz")(service.readyz)
    app.get("/metrics", response_class=PlainTextResponse)(service.metrics)
    app.get("/docs", include_in_schema=False)(partial(_reference, app))
    for path in WEB:
        app.get(path, include_in_schema=False)(partial(_web, path))
    app.exception_handler(RefusedError)(_refused)
    app.exception_handler(404)(_not_found)
    return Gate(app, limits, counters, service.admission, token)


class _Service:
    """The paths, with what they share."""

    def __init__(self, store: ModelStore, limits: Limits, counters: Counters) -> None:
        self._store = store
        self._counters = counters
        self.admission = Admission[Received, Written](
            limits, counters, lambda received: work_on(received, self._model, limits)
        )

    async def predict(self, request: Request) -> Response:
        """Forecast the steps after the rows of a table.

        The answer has the rows that `forecast predict` writes: as CSV for `Accept: text/csv`, or a
        body in CSV without another wish, else as JSON.
        """
        return await self._answer(request, is_check=False)

    async def check(self, request: Request) -> Response:
        """Check a table for a model, and return what was found."""
        return await self._answer(request, is_check=True)

    def models(self) -> dict[str, Any]:
        """List the models, and the columns that their tables have."""
        return {
            "default": self._store.default,
            "models": [model.described() for model in self._store.models.values()],
        }

    def healthz(self) -> dict[str, str]:
        """Say that the process answers."""
        return {"status": "ok"}

    def readyz(self) -> Response:
        """Say whether a model is loaded."""
        if self._store.models:
            return JSONResponse({"status": "ready"})
        return JSONResponse({"status": "no model"}, 503)

    def metrics(self) -> Response:
        """Return the numbers of the service for Prometheus."""
        self._counters.model.clear()
        self._counters.rollout_problem.clear()
        for model in self._store.models.values():
            self._counters.model.labels(model.name, model.version).set(1)
            self._counters.rollout_problem.labels(model.name).set(float(bool(model.problem)))
        return PlainTextResponse(self._counters.text())

    async def _answer(self, request: Request, *, is_check: bool) -> Response:
        """Read a request, and have it worked on in a thread."""
        received = Received(
            is_check=is_check,
            body=await request.body(),
            kind=request.headers.get("content-type", "").partition(";")[0].strip().lower(),
            query=dict(request.query_params),
            wants_csv=_wants_csv(request),
        )
        written = await self.admission.run(received, is_small=received.is_small)
        return Response(written.content, media_type=written.media_type)

    def _model(self, name: str) -> ServedModel:
        """Return a model by the name in a request, which is compared and never a path."""
        models = self._store.models
        wanted = name or self._store.default
        if not wanted:
            raise RefusedError(422, f"name the model: expected one of {', '.join(models)}")
        if wanted not in models:
            hint = nearest(wanted[:100], models)
            raise RefusedError(404, f"there is no model {wanted[:100]!r}{hint}; see /models")
        return models[wanted]


def _wants_csv(request: Request) -> bool:
    accepted = request.headers.get("accept", "*/*")
    if CSV in accepted:
        return True
    sent = request.headers.get("content-type", "").startswith(CSV)
    return sent and "json" not in accepted


async def _reference(app: FastAPI) -> HTMLResponse:
    return HTMLResponse(reference_page(app.openapi()), headers={"content-security-policy": POLICY})


async def _web(path: str) -> Response:
    name, kind = WEB[path]
    data = files("forecast.serving").joinpath("web", name).read_bytes()
    headers = {
        "content-security-policy": POLICY,
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
    }
    return Response(data, media_type=kind, headers=headers)


async def _refused(_: Request, refused: Exception) -> Response:
    assert isinstance(refused, RefusedError)
    headers = {name.decode(): text.decode() for name, text in refusal_headers(refused)}
    return JSONResponse({"errors": list(refused.lines)}, refused.status, headers)


async def _not_found(request: Request, _: Exception) -> Response:
    path = json.dumps(request.url.path[:100])
    return JSONResponse({"errors": [f"there is no {path}; see /docs"]}, 404)
