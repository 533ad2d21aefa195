import { mount } from 'svelte';
import './tokens.css';
import './app.css';
import App from './App.svelte';
import { page } from './lib/page.svelte';

page.start();

const target = document.getElementById('app');
if (target) mount(App, { target });
