#!/bin/sh
# Write the users of PgBouncer into the working directory, then run PgBouncer with a configuration.
# The passwords come from the environment. They contain only characters that need no quoting.
set -eu
umask 077
cat > users <<END
"tasks_api" "$API_DATABASE_PASSWORD"
"tasks_web" "$WEB_DATABASE_PASSWORD"
END
exec pgbouncer "$1"
