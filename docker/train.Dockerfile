# An image that does everything: check, fit, update, tune.
#
#   docker build -f docker/train.Dockerfile -t forecast-train .
#   docker run --rm -v "$PWD:/data" forecast-train fit sales.csv --out runs/sales

# The wheel has the loops of recurrent layers compiled, so that the image itself needs no compiler.
FROM python:3.12-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends g++
WORKDIR /src
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.12-slim
WORKDIR /install
COPY --from=build /src/constraints.txt /wheels/*.whl ./
RUN pip install --no-cache-dir -c constraints.txt *.whl

RUN useradd --create-home forecast
USER forecast
WORKDIR /data
ENTRYPOINT ["forecast"]
