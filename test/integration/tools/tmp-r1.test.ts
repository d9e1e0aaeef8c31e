import { it } from 'vitest';
import { TOOLS } from '../../../src/tools/registry.ts';
import { toolClient } from '../../support/tool-client.ts';

const SETS = new Set(['guests', 'storage', 'cloudinit', 'snapshots', 'tasks', 'inventory', 'backups']);
const BAD: unknown[] = [null, '', 'x'.repeat(100_000), '../../etc/passwd', 'a,b=c', '‮\u0000', -1, 1e308, {}, [], [null], [{}], { a: { b: 1 } }, true, '%2e%2e', 'local:../x', 'local:iso/../x.iso', '__proto__', 'constructor', 'scsi0', 'net0', 'a'.repeat(39), '100', '0', '\n'];
const GOOD: Record<string, unknown> = { vmid: 100, snapshot: 'installed', storage: 'local-lvm', node: 'pve1', disk: 'scsi0', size: '64G', new_name: 'nn', target: 'pve2', action: 'start', volid: 'local:iso/debian-13.1.0-amd64-netinst.iso', name: undefined, image: 'https://x.example.org/a.img', source: 'local:import/x.qcow2', url: 'https://x.example.org/a.iso', filename: 'a.iso', data: 'AAAA', type: 'dir', template: 'local:vztmpl/x.tar.zst', wait_seconds: 1 };
it('fuzz', async () => {
  const c = await toolClient({ clusters: ['production'] });
  let calls = 0;
  const slow: string[] = [];
  for (const tool of TOOLS.filter(({ toolset }) => SETS.has(toolset))) {
    const shape = tool.input.shape as Record<string, unknown>;
    for (const key of Object.keys(shape)) {
      if (key === 'handle' || key === 'cluster') continue;
      for (const bad of BAD) {
        const args: Record<string, unknown> = {};
        for (const [name, value] of Object.entries(GOOD)) if (name in shape && value !== undefined) args[name] = value;
        if (tool.name.startsWith('create_vm') || tool.name === 'create_container' || tool.name === 'deploy_cloud_image') { args.name = 'f1'; delete args.vmid; delete args.disk; }
        args[key] = bad;
        calls++;
        const t = performance.now();
        try {
          const text = await Promise.race([c.text(tool.name, args), new Promise<string>((r) => setTimeout(() => r('HUNG'), 8000))]);
          if (/^INTERNAL|HUNG/.test(text)) console.log(tool.name, key, JSON.stringify(bad)?.slice(0, 60), '->', text.slice(0, 200));
          if (text.length > 20_000) console.log('LONG', tool.name, key, JSON.stringify(bad)?.slice(0, 40), text.length);
        } catch (error) {
          console.log('THROWN', tool.name, key, JSON.stringify(bad)?.slice(0, 60), String(error).slice(0, 300));
        }
        const ms = performance.now() - t;
        if (ms > 1500) slow.push(`${tool.name} ${key} ${JSON.stringify(bad)?.slice(0, 40)} ${Math.round(ms)}`);
      }
    }
  }
  console.log('calls', calls, 'slow', slow);
  console.log('odd writes', [...new Set(c.writes().map(({ method, path }) => `${method} ${path}`).filter((p) => /\.\.|%2e|passwd/.test(p)))]);
}, 500_000);
