import { svelte } from '@sveltejs/vite-plugin-svelte';
import { readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants } from 'node:zlib';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';

/** Writes NAME.br beside every built text file, so that the server only picks and never compresses. */
function precompress(folder: string): Plugin {
  const each = (at: string, visit: (file: string) => void): void => {
    for (const name of readdirSync(at).sort()) {
      const path = join(at, name);
      if (statSync(path).isDirectory()) each(path, visit);
      else visit(path);
    }
  };
  return {
    name: 'precompress',
    apply: 'build',
    closeBundle() {
      each(folder, (file) => {
        if (!/\.(js|css|html|svg)$/.test(file)) return;
        const bytes = readFileSync(file);
        const params = {
          [constants.BROTLI_PARAM_QUALITY]: 11,
          [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
        };
        const packed = brotliCompressSync(bytes, { params });
        if (packed.length < bytes.length) writeFileSync(`${file}.br`, packed);
      });
    },
  };
}

const server = process.env.CARBONTRAIL ?? 'http://127.0.0.1:7600';

export default defineConfig({
  plugins: [svelte(), precompress('dist')],
  build: {
    target: 'es2022',
    outDir: 'dist',
    emptyOutDir: true,
    // A data: address for a small picture or an inline polyfill would need a wider Content-Security-Policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    // Licences of what is bundled, beside it.
    license: { fileName: 'licenses.md' },
  },
  server: {
    proxy: { '/v1': { target: server, changeOrigin: true }, '/health': { target: server, changeOrigin: true } },
  },
  test: { include: ['src/**/*.test.ts'], environment: 'node' },
});
