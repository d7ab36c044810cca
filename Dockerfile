# docker build -t turboquant .
# docker run -p 127.0.0.1:8080:8080 -v /path/to/models:/models:ro turboquant \
#   serve -m /models/model.gguf --host 0.0.0.0 --api-key SECRET
FROM debian:bookworm-slim AS build
WORKDIR /source
COPY scripts/packages.txt scripts/
RUN apt-get update \
 && awk '$1 == "run" { print $2 }' scripts/packages.txt | xargs apt-get install -y --no-install-recommends \
 && rm -rf /var/lib/apt/lists/*
COPY . .
RUN cmake --preset release -DTQ_TESTS=OFF -DTQ_EXAMPLES=OFF \
 && cmake --build --preset release \
 && cmake --install build/release --strip --prefix /install

FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends \
      libcpp-httplib0.11 libedit2 libfmt9 libpcre2-8-0 libspdlog1.10 libutf8proc2 libyaml-cpp0.7 \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /install/bin/turboquant /usr/local/bin/
COPY --from=build /install/share/man/man1/turboquant.1 /usr/local/share/man/man1/
USER 65532:65532
WORKDIR /tmp
EXPOSE 8080
STOPSIGNAL SIGTERM
ENTRYPOINT ["turboquant"]
CMD ["--help"]
