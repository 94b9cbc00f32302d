"""Graphite-web for one machine."""

import secrets

SECRET_KEY = secrets.token_urlsafe(32)
ALLOWED_HOSTS = ['127.0.0.1', 'localhost']
TIME_ZONE = 'UTC'
CONF_DIR = '/etc/graphite'
STORAGE_DIR = '/storage'
LOG_DIR = '/storage/log'
LOG_ROTATION = False
CARBONLINK_HOSTS = ['127.0.0.1:7002']
CARBONLINK_RETRY_DELAY = 0
FIND_CACHE_DURATION = 0
DEFAULT_CACHE_DURATION = 0
