# An image that does everything: check, fit, update, tune.
#
#   docker build -f docker/train.Dockerfile -t forecast-train .
#   docker run --rm -v "$PWD:/data" forecast-train fit sales.csv --out runs/sales
FROM python:3.12-slim

# The loops of recurrent layers are compiled for the machine.
RUN apt-get update \
    && apt-get install -y --no-install-recommends g++ \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /src
COPY . .
RUN pip install --no-cache-dir -c constraints.txt . \
    && rm -rf /src/*

RUN useradd --create-home forecast
USER forecast
WORKDIR /data
ENTRYPOINT ["forecast"]
