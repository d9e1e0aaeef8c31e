# Needs BuildKit, the default builder since Docker 23:  docker build -t proxmox-mcp .

# Another registry or base is one argument away:  --build-arg NODE_IMAGE=mirror.example.com/node:24-bookworm-slim
# slim and not distroless: `docker exec` finds a shell and npm's own tools when something has to be looked into, and
# the Node in it is the one the tests ran on.
ARG NODE_IMAGE=node:24-bookworm-slim

# The stages below run natively on the builder, and an image for another platform needs no emulation. What the first two
# make is the same for every processor.
FROM --platform=$BUILDPLATFORM ${NODE_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json ./
# The build needs no install script, and the dev dependency `node` would fetch a second Node with its own.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY scripts/build.ts scripts/
COPY src src
RUN npm run build && mkdir /empty

FROM --platform=$BUILDPLATFORM ${NODE_IMAGE} AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
COPY scripts/prune-dependencies.ts scripts/
# Two thirds of what npm installs is never loaded by Node: source maps, declarations, twins for bundlers.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund && node scripts/prune-dependencies.ts node_modules

# A start spends much of its time compiling. V8 takes over what was compiled here for the same files at the same place,
# Node, flags and user; elsewhere, as on another processor than the builder's, the service starts without.
FROM --platform=$BUILDPLATFORM ${NODE_IMAGE} AS compiled
WORKDIR /app
COPY --from=dependencies /app/node_modules /app/node_modules
COPY --from=build /app/dist /app/dist
COPY package.json ./
COPY scripts/make-compile-cache.ts scripts/
RUN mkdir .compile-cache && chown 1000:1000 .compile-cache
USER 1000:1000
RUN node --min-semi-space-size=32 --max-semi-space-size=32 --max-old-space-size=1024 --no-memory-reducer scripts/make-compile-cache.ts dist/main.js .compile-cache

FROM ${NODE_IMAGE}
LABEL org.opencontainers.image.title="proxmox-mcp" \
      org.opencontainers.image.description="A remote MCP service that lets AI assistants work several Proxmox VE clusters safely." \
      org.opencontainers.image.licenses="GPL-3.0-or-later"

# Owned by root and run as another user: the service can't change its own code.
COPY --from=dependencies /app/node_modules /app/node_modules
COPY --from=build /app/dist /app/dist
COPY --from=compiled /app/.compile-cache /app/.compile-cache
# package.json says that dist/ holds ES modules, and which version this is.
COPY package.json LICENSE /app/
# The only folder besides /tmp that may be written: what is worth keeping over a restart. A named volume takes over its
# owner.
COPY --from=build --chown=1000:1000 /empty /data

# Inside a container only 0.0.0.0 is reachable from outside; which interface of the host that is, `ports:` decides.
# Nothing in /app is a link, and Node need not follow each of 2,000 imports to see that.
ENV NODE_ENV=production \
    NODE_COMPILE_CACHE=/app/.compile-cache \
    NODE_PRESERVE_SYMLINKS=1 \
    MCP_HOST=0.0.0.0 \
    MCP_PORT=8000 \
    CACHE_DIR=/data/cache

# clusters.json and .env are looked for here unless CLUSTERS_FILE names another place. It is not preset, because a
# named file has to exist, and PROXMOX_… variables alone are a configuration too.
WORKDIR /config
# `node` of the base image, as a number: Kubernetes' runAsNonRoot can't check a name.
USER 1000:1000
EXPOSE 8000
# node is PID 1 and needs no tini: the service handles SIGTERM itself (it drains), and starts no other process.
STOPSIGNAL SIGTERM
# Any answer below 500 counts: with MCP_ALLOWED_HOSTS set, 127.0.0.1 may be refused (421) by a healthy service. Whose the
# certificate is matters to clients, and not here.
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 \
    CMD ["node", "-e", "const s = process.env.MCP_TLS_CERT || process.env.MCP_TLS_CERT_FILE; require(s ? 'node:https' : 'node:http').get({ host: '127.0.0.1', port: process.env.MCP_PORT || 8000, path: '/healthz', rejectUnauthorized: false }, (r) => process.exit(r.statusCode < 500 ? 0 : 1)).on('error', () => process.exit(1))"]
# V8 keeps far more pages than live data on a large machine: with these bounds 100 clusters take 350 MB in place of 560.
# A young generation that has its size from the beginning spares the start a dozen collections. The memory reducer would
# throw away, some seconds after the last call, what V8 has learned of the code: the next second of calls took three times
# the CPU.
ENTRYPOINT ["node", "--min-semi-space-size=32", "--max-semi-space-size=32", "--max-old-space-size=1024", "--no-memory-reducer", "/app/dist/main.js"]
CMD ["serve"]
